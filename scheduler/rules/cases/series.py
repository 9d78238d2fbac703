"""
What promtool's cases are made of: series minute by minute, and how many alerts ring at a minute.

https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/
"""

from collections.abc import Iterable, Mapping
from typing import Any

from scheduler.rules.promql import duration

_MINUTE_MS = 60_000


def series(metric: str, labels: Mapping[str, str], values: str) -> dict[str, str]:
    """One series with promtool's notation of its values, a minute apart."""
    return {"series": selector(metric, labels), "values": values}


def selector(metric: str, labels: Mapping[str, str]) -> str:
    """Of just these labels."""
    return metric + "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def held(*parts: tuple[float, int]) -> str:
    """Values that stay the same, each for so many minutes."""
    return " ".join(f"{value:.10g}x{minutes - 1}" for value, minutes in parts)


def growing(*parts: tuple[float, int]) -> str:
    """A counter that grows by so much a minute, for so many minutes."""
    texts, value = [], 0.0
    for step, minutes in parts:
        texts.append(f"{value:.10g}+{step:.10g}x{minutes - 1}")
        value += step * minutes
    return " ".join(texts)


def rings(minute: int, alert: str, labels: Mapping[str, str], count: int) -> dict[str, Any]:
    """At the minute so many alerts of this name and these labels are firing."""
    firing = selector("ALERTS", {"alertname": alert, "alertstate": "firing", **labels})
    return {
        "expr": f"count({firing}) or vector(0)",
        "eval_time": duration(minute * _MINUTE_MS),
        "exp_samples": [{"labels": "{}", "value": count}],
    }


def case(name: str, inputs: Iterable[dict[str, str]], checks: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """A case under its name."""
    return {"name": name, "interval": "1m", "input_series": list(inputs), "promql_expr_test": list(checks)}


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
