"""PromQL that several panels share. Every selector is by the variables of the board; nothing here knows a panel."""

from typing import NamedTuple

PROBE = 'cron_source=~"$cron_source",agent=~"$agent",type=~"$type"'
JOB = 'cron_source=~"$cron_source"'
OF_A_PROBE = "cron_source, agent, type, target"


class Query(NamedTuple):
    """``legend`` names the series as Grafana's templates do: ``{{agent}}``."""

    text: str
    legend: str = ""


def state(selector: str) -> str:
    """0 failed, 1 degraded, 2 ok for each probe, so that ``min`` is the worst."""
    return f"2 * probe_success{{{selector}}} - probe_degraded{{{selector}}}"


def success_ratio(selector: str, by: str) -> str:
    """Of the runs that are known: those that ended as unknown say nothing of the target."""
    ok = f'sum by ({by}) (rate(cronprobe_runs_total{{{selector},outcome="ok"}}[$window]))'
    known = f'sum by ({by}) (rate(cronprobe_runs_total{{{selector},outcome=~"ok|failed"}}[$window]))'
    return f"{ok} / ({known} > 0)"


def new_in(counter: str, window: str) -> str:
    """How much a counter grew; one that was born in the window counts from 0, which ``increase`` leaves out."""
    return f"({counter} unless {counter} offset {window}) or increase({counter}[{window}])"


def quantile(share: float, histogram: str, *, by: str = "le", window: str = "$__rate_interval") -> str:
    """``histogram`` is its name with ``_bucket`` and its selector."""
    return f"histogram_quantile({share}, sum by ({by}) (rate({histogram}[{window}])))"


def quantiles(histogram: str, window: str = "$__rate_interval") -> list[Query]:
    """The three that all boards show."""
    return [Query(quantile(share / 100, histogram, window=window), f"p{share}") for share in (50, 95, 99)]


def age(timestamp: str) -> str:
    """Seconds since a metric that holds a time."""
    return f"time() - {timestamp}"
