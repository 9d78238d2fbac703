"""The cases of what rings about cronprobe itself: well for ten minutes, ill for half an hour, then well again."""

from collections.abc import Iterator, Mapping
from typing import Any

from scheduler.rules.cases.series import case, growing, held, rings, series

_WELL, _ILL, _AFTER = 10, 30, 40
_CHECKS = ((_WELL - 5, 0), (_WELL + _ILL - 5, 1), (_WELL + _ILL + _AFTER - 5, 0))
_DAY_S = 86_400
_INSTANCE = {"job": "cronprobe", "instance": "a"}


def cases_of_itself() -> list[dict[str, Any]]:
    """Every alert of ``scheduler.rules.itself``, both ways."""
    inputs = [*_processes(), *_scheduling(), *_measuring()]
    alerts = (
        ("CronprobeDown", "page"),
        ("CronprobeStoreErrors", "page"),
        ("CronprobeStoreErrors", "warning"),
        ("CronprobeReloadFailed", "warning"),
        ("CronprobeTicksMissed", "warning"),
        ("CronprobeSchedulerLag", "warning"),
        ("CronprobeAgentAway", "warning"),
        ("CronprobeClockSkew", "warning"),
        ("CronprobeUnknownRuns", "warning"),
        ("CronprobeCertificateExpiresSoon", "warning"),
        ("CronprobeCertificateExpiresSoon", "page"),
    )
    checks = [rings(at, name, {"severity": severity}, count) for name, severity in alerts for at, count in _CHECKS]
    gone = rings(5, "CronprobeDown", {"severity": "page"}, 1)
    return [case("cronprobe falls ill and recovers", inputs, checks), case("nothing is scraped at all", [], [gone])]


def _gauge(metric: str, labels: Mapping[str, str], well: float, ill: float) -> dict[str, str]:
    return series(metric, {**_INSTANCE, **labels}, held((well, _WELL), (ill, _ILL), (well, _AFTER)))


def _counter(metric: str, labels: Mapping[str, str], well: float, ill: float) -> dict[str, str]:
    return series(metric, {**_INSTANCE, **labels}, growing((well, _WELL), (ill, _ILL), (well, _AFTER)))


def _processes() -> Iterator[dict[str, str]]:
    yield _gauge("cronprobe_build_info", {}, 1, 1)
    yield _gauge("up", {}, 1, 0)
    yield _gauge("cronprobe_store_up", {}, 1, 0)
    yield _counter("cronprobe_store_errors_total", {}, 0, 1)
    yield _gauge("cronprobe_config_last_reload_successful", {}, 1, 0)


def _scheduling() -> Iterator[dict[str, str]]:
    yield _counter("cronprobe_scheduler_ticks_total", {"outcome": "fired"}, 10, 10)
    yield _counter("cronprobe_scheduler_ticks_total", {"outcome": "missed"}, 0, 1)
    for bound, ill in (("1.0", 0), ("2.5", 10), ("+Inf", 10)):
        yield _counter("cronprobe_scheduler_lag_seconds_bucket", {"le": bound}, 10, ill)


def _measuring() -> Iterator[dict[str, str]]:
    yield _gauge("cronprobe_agent_connected", {"agent": "away"}, 1, 0)
    yield _gauge("cronprobe_agent_connected", {"agent": "skewed"}, 1, 1)
    yield _gauge("cronprobe_agent_clock_skew_seconds", {"agent": "away"}, 0.1, 9)
    yield _gauge("cronprobe_agent_clock_skew_seconds", {"agent": "skewed"}, 0.1, -9)
    of_an_agent = {"cron_source": "x", "agent": "unsure", "type": "ping", "target": "y"}
    yield _counter("cronprobe_runs_total", {**of_an_agent, "outcome": "ok"}, 10, 9)
    yield _counter("cronprobe_runs_total", {**of_an_agent, "outcome": "unknown"}, 0, 1)
    for target, days in (("in weeks", 20), ("in days", 3)):
        labels = {**of_an_agent, "target": target}
        yield _gauge("probe_ssl_earliest_cert_expiry", labels, 60 * _DAY_S, days * _DAY_S)
