"""Panels of a job about outcomes: states, reasons, the objective, and what the job file says."""

from grafana import looks
from grafana.panels import Panel, graph, numbers, timeline
from grafana.queries import JOB, PROBE, Query, age, new_in, state, success_ratio
from grafana.tables import Column, table

_NO_SLO = "the job has no slo, or its rules are not loaded"
_EACH = "{{agent}} {{target}}"
_ERRORS = "cron_source:cronprobe_slo_errors:ratio_rate"


def state_panels() -> list[Panel]:
    """What is now, and since when."""
    return [
        numbers(
            "State",
            "The job's worst probe: failed, degraded or ok. The timeline below says which one, and since when.",
            [Query(f"min({state(PROBE)})", "state")],
            unit="none",
            empty="no known run yet",
            high=2,
            words=looks.STATES,
        ),
        numbers(
            "Success ratio",
            "Ok runs among the known ones over the job's own window, from all agents, as its rules record it.",
            [Query(f"cron_source:probe_success:ratio{{{JOB}}}", "success")],
            unit="percentunit",
            empty="no known runs, or no rules loaded",
            high=1,
            steps=looks.RATIO,
            decimals=2,
        ),
        numbers(
            "Coverage",
            "Known runs among all over the job's own window. Below 1 the trouble is ours: the row 'Why runs fail' has "
            "reasons such as agent_offline.",
            [Query(f"cron_source:cronprobe_coverage:ratio{{{JOB}}}", "coverage")],
            unit="percentunit",
            empty="no runs, or no rules loaded",
            high=1,
            steps=looks.RATIO,
            decimals=2,
        ),
        numbers(
            "p95 of latency",
            "The 95th percentile of ok runs over the job's own window, as its rules record it.",
            [Query(f"cron_source:cronprobe_latency_seconds:p95{{{JOB}}}", "p95")],
            unit="s",
            empty="no ok runs, or no rules loaded",
        ),
        numbers(
            "Last run",
            "Age of the last known run of the probe that is silent the longest. Above two periods nobody measures: "
            "look at the agents.",
            [Query(age(f"min(cronprobe_last_run_timestamp_seconds{{{PROBE}}})"), "age")],
            unit="s",
            empty="no known run yet",
            decimals=0,
        ),
        numbers(
            "In maintenance",
            "Whether the newest tick was due inside a maintenance window: no alert fires then.",
            [Query(f"cronprobe_job_in_maintenance{{{JOB}}}", "maintenance")],
            unit="none",
            empty="not declared",
            high=1,
            words=looks.YES_IS_AWAY,
        ),
        timeline(
            "State by agent and target",
            "Each probe's state. All agents red at one target: the target. One agent red at all targets: that agent. "
            "A gap means that nothing was known.",
            [Query(state(PROBE), _EACH)],
            words=looks.STATES,
            empty="no known runs in this time range",
        ),
    ]


def failure_panels() -> list[Panel]:
    """How runs ended."""
    failures = f"cronprobe_run_failures_total{{{PROBE}}}"
    return [
        graph(
            "Success ratio by agent and target",
            "Ok runs among the known ones. Unknown runs are left out: they say nothing of the target.",
            [Query(success_ratio(PROBE, "agent, target"), _EACH)],
            unit="percentunit",
            empty="no known runs in this window",
            high=1,
        ),
        graph(
            "Runs by outcome",
            "Ended runs a second. The sum is the job's rate of ticks; when it sinks, ticks are missed (board "
            "cronprobe itself).",
            [Query(f"sum by (outcome) (rate(cronprobe_runs_total{{{PROBE}}}[$window]))", "{{outcome}}")],
            unit="ops",
            empty="no runs in this window",
            stacked=True,
        ),
        graph(
            "Failures by reason",
            "Failed and unknown runs in the window by reason. agent_offline, no_result, refused, no_detail, overlap "
            "and internal are ours; all others the target's. The message of each run is on the status page and in "
            "'cronprobe query --failed'.",
            [Query(f"sum by (reason) ({new_in(failures, '$window')})", "{{reason}}")],
            unit="short",
            empty="no failures",
            bars=True,
            stacked=True,
        ),
    ]


def budget_panels() -> list[Panel]:
    """What the objective leaves. A burn of 1 uses the budget up just at the end of its window."""
    errors = f'{{__name__=~"{_ERRORS}.+",{JOB}}}'
    burn = (
        f'label_replace({errors}, "window", "$1", "__name__", "{_ERRORS}(.+)")'
        f" / on (cron_source) group_left () (1 - cron_source:cronprobe_slo_objective:ratio{{{JOB}}})"
    )
    left = f"cron_source:cronprobe_slo_error_budget_remaining:ratio{{{JOB}}}"
    return [
        numbers(
            "Objective and what is left",
            "The share of good runs that the job's slo asks for, and the share of its error budget that its window "
            "leaves. Below 0 the objective is missed: stop risky changes.",
            [Query(f"cron_source:cronprobe_slo_objective:ratio{{{JOB}}}", "objective"), Query(left, "budget left")],
            unit="percentunit",
            empty=_NO_SLO,
            low=None,
            high=1,
            steps=looks.BUDGET,
            width=6,
            height=8,
        ),
        graph(
            "Error budget left",
            "The share of the error budget that the slo's window leaves. It falls while the job fails and recovers as "
            "failures leave the window. A steep fall: look at the burn.",
            [Query(left, "left")],
            unit="percentunit",
            empty=_NO_SLO,
            low=None,
            high=1,
            steps=looks.BUDGET,
            width=9,
        ),
        graph(
            "Burn of the budget",
            "How many times faster than allowed the budget is used, over each window that the rules keep. Above 14.4 "
            "in short ones somebody is paged; above 1 in the longest the objective will be missed.",
            [Query(burn, "{{window}}")],
            unit="none",
            empty=_NO_SLO,
            steps=[(None, looks.GOOD), (1, looks.LOOK), (14.4, looks.BAD)],
            width=9,
        ),
    ]


def declaration_panels() -> list[Panel]:
    """The job as it was declared."""
    return [
        table(
            "Declaration",
            "Schedule, time zone and labels of the job. Its description, its runbook and all else are on the status "
            "page (link above); an alert carries its runbook_url as an annotation.",
            {"cron_source": "Job", "schedule": "Schedule", "timezone": "Time zone"},
            [Column("Declared", f"cronprobe_job_info{{{JOB}}}")],
            empty="the job is not declared",
            sort="Job",
            hidden=["Value", "__name__", "instance", "job"],
            height=5,
        )
    ]
