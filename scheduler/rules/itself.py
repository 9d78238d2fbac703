"""
What rings about cronprobe itself, whatever its jobs are. Each alert says what to do.

To add one: its row here, its two cases in ``cases``, its row in ``docs/rules.md``.
"""

from collections.abc import Iterator

from scheduler.rules.interface import Alerting, Recording, Rule
from scheduler.rules.promql import unless_in_maintenance

_DAY_S = 86_400
_EXPIRY = "min by (cron_source, type, target) (probe_ssl_earliest_cert_expiry)"
_UNKNOWN = 'sum by (agent) (increase(cronprobe_runs_total{outcome="unknown"}[10m]))'
_COVERAGE = (
    'sum(increase(cronprobe_runs_total{outcome=~"ok|failed"}[5m]))\n'
    "/ (sum(increase(cronprobe_scheduler_ticks_total[5m])) > 0)"
)


def itself() -> Iterator[Rule]:
    """The self-monitoring set."""
    yield Recording("cronprobe:coverage:ratio_rate5m", _COVERAGE)
    yield from _processes()
    yield from _scheduling()
    yield from _measuring()


def _processes() -> Iterator[Alerting]:
    yield _alert(
        "CronprobeDown",
        'up{job=~".*cronprobe.*"} == 0\nor on () absent(cronprobe_build_info)',
        "1m",
        "page",
        "Prometheus cannot scrape cronprobe",
        "Nothing is known of any target meanwhile. Look whether the process runs and what it logged last, then at "
        "/-/healthy, and at the address in Prometheus's scrape_configs.",
    )
    yield _alert(
        "CronprobeStoreErrors",
        "cronprobe_store_up == 0",
        "1m",
        "page",
        "The store of cronprobe cannot be written",
        "Results are kept by the agents and ticks wait in the scheduler, for 15 minutes. Look at the server's log for "
        "'store write failed', and at the disk.",
    )
    yield _alert(
        "CronprobeStoreErrors",
        "increase(cronprobe_store_errors_total[5m]) > 0",
        "0s",
        "warning",
        "Commits of cronprobe's store failed",
        "{{ $value | humanize }} commits failed in 5 minutes. Look at the server's log for 'store write failed', and "
        "at the disk.",
    )
    yield _alert(
        "CronprobeReloadFailed",
        "cronprobe_config_last_reload_successful == 0",
        "1m",
        "warning",
        "A changed job file was not loaded",
        "It has a mistake, and the old jobs go on. The scheduler's log says where, after 'job file not loaded', and so "
        "does cronprobe check on the files.",
    )


def _scheduling() -> Iterator[Alerting]:
    yield _alert(
        "CronprobeTicksMissed",
        'increase(cronprobe_scheduler_ticks_total{outcome="missed"}[10m]) > 0',
        "0s",
        "warning",
        "Ticks were missed",
        "{{ $value | humanize }} due runs were never made in 10 minutes: no scheduler ran, or it could not reach the "
        "server, or was refused. Look at its log for 'ticks missed' and 'task refused'.",
    )
    yield _alert(
        "CronprobeSchedulerLag",
        "histogram_quantile(0.9, rate(cronprobe_scheduler_lag_seconds_bucket[5m])) > 1",
        "5m",
        "warning",
        "Ticks are fired late",
        "One in ten is stored more than {{ $value | humanizeDuration }} after its time. Look at the processor and disk "
        "of server and scheduler, and at cronprobe plan for the busiest second: splay spreads it.",
    )


def _measuring() -> Iterator[Alerting]:
    yield _alert(
        "CronprobeAgentAway",
        "cronprobe_agent_connected == 0",
        "2m",
        "warning",
        "Agent {{ $labels.agent }} is away",
        "Its runs end as unknown. Look at its log for 'no connection', at its network, and at its token; an agent that "
        "is gone for good leaves the job file with 'enabled: false'.",
    )
    yield _alert(
        "CronprobeClockSkew",
        "abs(cronprobe_agent_clock_skew_seconds) > 2\nand on (instance, agent) cronprobe_agent_connected == 1",
        "2m",
        "warning",
        "The clock of agent {{ $labels.agent }} is off",
        "By {{ $value | humanizeDuration }} against the server's at its last upload. Look at NTP on both machines, and "
        "at the agent's network: the way of an upload counts as well.",
    )
    yield _alert(
        "CronprobeUnknownRuns",
        f"{_UNKNOWN}\n/ (sum by (agent) (increase(cronprobe_runs_total[10m])) > 0)\n> 0.05",
        "5m",
        "warning",
        "Runs of agent {{ $labels.agent }} end as unknown",
        "{{ $value | humanizePercentage }} of its runs said nothing of their targets in 10 minutes. cronprobe query "
        "--agent {{ $labels.agent }} shows the reasons, the README what they mean.",
    )
    for severity, expr, advice in (
        ("warning", f"({_EXPIRY} - time() < {30 * _DAY_S}) >= {7 * _DAY_S}", "Renew it in time"),
        ("page", f"{_EXPIRY} - time() < {7 * _DAY_S}", "Renew it now"),
    ):
        yield _alert(
            "CronprobeCertificateExpiresSoon",
            f"{expr}\n{unless_in_maintenance()}",
            "0s",
            severity,
            "A certificate of {{ $labels.target }} expires soon",
            f"{{{{ $value | humanizeDuration }}}} are left, as job {{{{ $labels.cron_source }}}} sees it. {advice}, "
            "and look why what renews it has not.",
        )


def _alert(name: str, expr: str, length: str, severity: str, summary: str, description: str) -> Alerting:
    return Alerting(name, expr, length, {"severity": severity}, {"summary": summary, "description": description})
