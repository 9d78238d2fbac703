"""
What Prometheus sees. ``own.py``: the server itself; ``probes.py``: the targets; ``jobs.py``; ``agents.py``.

``page.py`` puts them together, ``text.py`` knows the formats. Of one probe ``stats.py`` has what is known,
``details.py`` what agents tell besides, ``families.py`` how it is shown, ``forecast.py`` how many series that will be.
"""
