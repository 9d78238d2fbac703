"""
The status page: what runs, how it went, and what is wrong, for people with a browser.

``door`` is aiohttp's door, ``overview``, ``job`` and ``lists`` say what a page shows, ``texts`` in which words, and the
templates in which form. ``history`` keeps the last day in memory, so that a page asks the store for nothing but rows.
To add a page: its view, its template, its line in ``Pages._content``; its words go into every language.
"""
