"""
What rules are made of, in the words of Prometheus's rule files.

https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/
"""

from collections.abc import Mapping

from msgspec import Struct, field


class Recording(Struct, frozen=True, omit_defaults=True):
    """``expr`` is kept as the series ``record``."""

    record: str
    expr: str
    labels: Mapping[str, str] = {}


class Alerting(Struct, frozen=True, omit_defaults=True):
    """``alert`` rings once ``expr`` has had a sample for ``length``, a duration as Prometheus writes it."""

    alert: str
    expr: str
    length: str = field(name="for", default="0s")
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}


Rule = Recording | Alerting


class Group(Struct, frozen=True):
    """Rules that are evaluated one after another, so that a later one sees what an earlier one kept."""

    name: str
    rules: tuple[Rule, ...]
