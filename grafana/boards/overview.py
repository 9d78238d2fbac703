"""All jobs at once: which fail, why, and how much of their budgets is left."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana import frame, looks, variables
from grafana.panels import Panel, numbers, timeline
from grafana.queries import OF_A_PROBE, PROBE, Query, age, new_in, state
from grafana.tables import Column, table

_LABELLED = "on (cron_source) cronprobe_job_info{${labels:raw}}"
_STATE = f"({state(PROBE)}) and {_LABELLED}"
_BUDGET = "cron_source:cronprobe_slo_error_budget_remaining:ratio"


def board() -> Dashboard:
    """The board that people open first."""
    return frame.board(
        "cronprobe-overview",
        "Every job that cronprobe runs: its state, its objective, and what fails now. A job's name leads to its board.",
        variables=[
            variables.data_source(),
            variables.jobs(),
            variables.agents(),
            variables.types(),
            variables.text("labels", "Labels", 'Matchers for labels of jobs, such as label_team="payments"'),
        ],
        rows=[
            frame.Row("Now", [*_totals(), _failing(), _alerts()]),
            frame.Row("Jobs", [_jobs(), _states()]),
        ],
        alerts='cron_source=~"$cron_source|"',
    )


def _probes(metric: str) -> str:
    """A metric of the chosen probes."""
    return f"{metric}{{{PROBE}}} and {_LABELLED}"


def _of_jobs(metric: str) -> str:
    """A metric by ``cron_source`` alone, of jobs that a chosen agent runs as a chosen type."""
    return f"max by (cron_source) ({metric} and on (cron_source) ({_probes('cronprobe_runs_total')}))"


def _count(condition: str) -> str:
    """How many series; 0 where there are none but probes are."""
    return f"count({condition}) or 0 * count({_probes('cronprobe_runs_total')})"


def _totals() -> list[Panel]:
    return [
        numbers(
            "Jobs",
            "Jobs that are declared and match the variables. Fewer than expected: look at the job files, and whether "
            "the last reload went well (board cronprobe itself).",
            [Query(f"count(count by (cron_source) ({_probes('cronprobe_runs_total')}))", "jobs")],
            unit="short",
            empty="no jobs",
        ),
        numbers(
            "Probes",
            "Combinations of job, agent and target. It grows with matrices and agents.",
            [Query(f"count(count by ({OF_A_PROBE}) ({_probes('cronprobe_runs_total')}))", "probes")],
            unit="short",
            empty="no probes",
        ),
        numbers(
            "Failing",
            "Probes whose last known run failed. Above 0: the list below says which and why.",
            [Query(_count(f"({_probes('probe_success')}) == 0"), "failing")],
            unit="short",
            empty="not known yet",
            steps=looks.NONE_IS_GOOD,
        ),
        numbers(
            "Degraded",
            "Probes whose last known run was ok and slower than expect.latency.warn. Above 0: compare percentiles on "
            "the job's board.",
            [Query(_count(f"({_probes('probe_degraded')}) == 1"), "degraded")],
            unit="short",
            empty="not known yet",
            steps=looks.SOME_IS_LOOK,
        ),
        numbers(
            "In maintenance",
            "Jobs inside one of their maintenance windows: they run and are stored, and no alert fires.",
            [Query(f"sum({_of_jobs('cronprobe_job_in_maintenance')})", "in maintenance")],
            unit="short",
            empty="no jobs",
        ),
        numbers(
            "Coverage",
            "Runs that say something of their target, among all that were due, of all jobs in 5 minutes. Below 1 the "
            "trouble is ours: agents away, results that never came, ticks missed (boards Agents and cronprobe "
            "itself).",
            [Query("cronprobe:coverage:ratio_rate5m", "coverage")],
            unit="percentunit",
            empty="no rules loaded, or no runs yet",
            high=1,
            steps=looks.RATIO,
            decimals=2,
        ),
    ]


def _failing() -> Panel:
    failures = f"cronprobe_run_failures_total{{{PROBE}}}"
    return table(
        "Failing now, and why",
        "Probes whose last known run failed, with every reason that their runs ended for within the time range. "
        "Reasons such as timeout or status are the target's; agent_offline, no_result, refused, no_detail, overlap "
        "and internal are ours. Begin with the job that has most.",
        {"cron_source": "Job", "agent": "Agent", "type": "Type", "target": "Target", "reason": "Reason"},
        [
            Column(
                "Runs",
                f"sum by ({OF_A_PROBE}, reason) ({new_in(failures, '$__range')}) > 0 "
                f"and on ({OF_A_PROBE}) (({_probes('probe_success')}) == 0)",
                decimals=0,
            )
        ],
        empty="nothing fails",
        sort="Runs",
        descending=True,
        width=14,
        height=8,
    )


def _alerts() -> Panel:
    return table(
        "Alerts",
        "Alerts of cronprobe that are pending or fire, those about jobs and those about cronprobe itself. Each has "
        "its runbook in its annotations, which Prometheus and Alertmanager show.",
        {"alertname": "Alert", "alertstate": "State", "severity": "Severity", "cron_source": "Job", "agent": "Agent"},
        [
            Column(
                "Series",
                "count by (alertname, alertstate, severity, cron_source, agent) "
                '(ALERTS{alertname=~"Cronprobe.*",cron_source=~"$cron_source|"})',
                decimals=0,
            )
        ],
        empty="no alerts",
        sort="State",
        width=10,
        height=8,
    )


def _jobs() -> Panel:
    last_run = f"min by (cron_source) ({_probes('cronprobe_last_run_timestamp_seconds')})"
    return table(
        "Every job",
        "A row for each job. State is that of its worst probe; success ratio and p95 are over the job's own window "
        "(at least 5 minutes and 4 periods); the budget is what its slo leaves. Last run is the age of the last "
        "known run of the probe that is silent the longest: above two periods nobody measures, look at the agents.",
        {"cron_source": "Job"},
        [
            Column("State", f"min by (cron_source) ({_STATE})", words=looks.STATES),
            Column(
                "Failing", f"sum by (cron_source) (({_probes('probe_success')}) == bool 0)", steps=looks.NONE_IS_GOOD
            ),
            Column("Degraded", f"sum by (cron_source) ({_probes('probe_degraded')})", steps=looks.SOME_IS_LOOK),
            Column("Success", _of_jobs("cron_source:probe_success:ratio"), "percentunit", 2, looks.RATIO),
            Column("p95", _of_jobs("cron_source:cronprobe_latency_seconds:p95"), "s", 2),
            Column("Budget left", _of_jobs(_BUDGET), "percentunit", 1, looks.BUDGET),
            Column("Last run", age(last_run), "s", 0),
            Column("Maintenance", _of_jobs("cronprobe_job_in_maintenance"), words=looks.YES_IS_AWAY),
        ],
        empty="no jobs match the variables",
        sort="State",
        height=12,
    )


def _states() -> Panel:
    return timeline(
        "Jobs over time",
        "The state of each job's worst probe. Many that turn red together have one cause: an agent, a network, a "
        "resolver. A gap means that nothing was known.",
        [Query(f"min by (cron_source) ({_STATE})", "{{cron_source}}")],
        words=looks.STATES,
        empty="no known runs in this time range",
        height=10,
    )
