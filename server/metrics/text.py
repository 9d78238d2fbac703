"""
The two text formats that Prometheus reads, as far as series of ours are written in them without a library.

Text 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/; OpenMetrics 1.0:
https://prometheus.io/docs/specs/om/open_metrics_spec/. They differ in the heads of counters, in exemplars, which only
the latter has, and in its last line.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Protocol

from msgspec import Struct

_OPEN_METRICS = "application/openmetrics-text"
_PLAIN = ("text/plain", "text/*", "*/*")
_OPEN_VERSIONS = ("", "0.0.1", "1.0.0")
_TOTAL = "_total"
_NOT_IN_A_LABEL = re.compile(r"[^a-zA-Z0-9_]")


class Format(Enum):
    """A format by its content type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Head(Struct, frozen=True):
    """What stands above the series of a family; the name of a counter ends in ``_total``."""

    name: str
    kind: str
    documentation: str

    def text(self, form: Format) -> str:
        """Its two lines."""
        name = self.name.removesuffix(_TOTAL) if form is Format.OPEN_METRICS else self.name
        return f"# HELP {name} {self.documentation}\n# TYPE {name} {self.kind}\n"


class Families(Protocol):
    """Series to put on the page."""

    def families(self, form: Format) -> Iterator[tuple[Head, Iterable[str]]]:
        """Each family with its lines, in pieces that take a few µs each; a piece may be empty."""
        ...


def wanted(accept: str) -> Format:
    """The format that a header ``Accept`` prefers; OpenMetrics when it likes both alike."""
    text, open_metrics = 0.0, 0.0
    for media_range in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in media_range.split(";"))
        values = dict(parameter.split("=", 1) for parameter in parameters if "=" in parameter)
        weight = _weight(values.get("q", "1"))
        if kind == _OPEN_METRICS and values.get("version", "") in _OPEN_VERSIONS:
            open_metrics = max(open_metrics, weight)
        elif kind in _PLAIN:
            text = max(text, weight)
    return Format.OPEN_METRICS if open_metrics > 0 and open_metrics >= text else Format.TEXT


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def labels_text(labels: Mapping[str, str]) -> str:
    """The labels as they stand between the braces."""
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def own_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels of the job file as ``label_NAME``; of names that come out alike the last one counts."""
    return {f"label_{_NOT_IN_A_LABEL.sub('_', name)}": value for name, value in labels.items()}


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
