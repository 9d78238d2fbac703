"""
The dashboards as code: ``python -m grafana`` writes ``grafana/dashboards/*.json``, which are committed.

It knows the names of metrics and recording rules and nothing else of cronprobe, and is not installed with it. A new
dashboard: its module in ``grafana/boards/`` and its line in ``BOARDS``.
"""
