"""What Prometheus sees. ``own.py``: the server itself; ``probes.py``: the targets; ``agents.py``: the agents."""
