"""Marks on every graph: alerts that fire, and reloads of the job files."""

from typing import Any

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard

from grafana import looks
from grafana.variables import SOURCE


class _Mark(dashboard.AnnotationQuery):
    """The model lacks what Grafana's Prometheus reads besides: words, labels that become tags, the step, the time."""

    more: dict[str, object]

    def to_json(self) -> dict[str, object]:
        return {**super().to_json(), **self.more}


class Mark(builders.AnnotationQuery):
    """A mark for each series that the query finds; ``more`` are members that only Prometheus knows."""

    def __init__(self, name: str, query: str, color: str, **more: Any) -> None:
        self._internal = _Mark(hide=None, built_in=None)
        self._internal.more = more
        self.name(name).datasource(SOURCE).enable(True).icon_color(color).expr(query)


def marks(alerts: str) -> list[Mark]:
    """``alerts`` are matchers for the labels of alerts that concern the board."""
    firing = f'ALERTS{{alertname=~"Cronprobe.*",alertstate="firing",{alerts}}}'
    said = {"titleFormat": "{{alertname}}", "textFormat": "{{cron_source}} {{agent}}", "tagKeys": "severity"}
    reloaded = "cronprobe_config_last_reload_success_timestamp_seconds * 1000"
    return [
        Mark("Alerts", firing, looks.BAD, step="30s", **said),
        Mark("Reloads", reloaded, looks.AWAY, step="60s", titleFormat="Job files loaded", useValueForTime="on"),
    ]
