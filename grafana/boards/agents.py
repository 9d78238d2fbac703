"""Who runs the probes: which agents are there, how well they measure, and what goes wrong with them."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana import frame, looks, variables
from grafana.panels import Panel, graph, numbers, timeline
from grafana.queries import PROBE, Query, age, new_in, quantile, success_ratio
from grafana.tables import Column, table

_AGENT = 'agent=~"$agent"'
_OURS = "agent_offline|no_result|refused|no_detail|overlap|internal"


def board() -> Dashboard:
    """The board of the agents."""
    return frame.board(
        "cronprobe-agents",
        "The agents that run the probes: who is connected, who measures well, and runs that ended without a "
        "measurement.",
        variables=[
            variables.data_source(),
            variables.jobs(),
            variables.choices("agent", "Agent", "label_values(cronprobe_agent_connected, agent)"),
            variables.types(),
            variables.window(),
        ],
        rows=[
            frame.Row("Who is where", [*_totals(), _who(), _connected()]),
            frame.Row("How they measure", [_success(), _latency(), _runs(), _unknown(), _running(), _coverage()]),
            frame.Row("Their clocks and sessions", [_skew(), _seen(), _replaced()]),
        ],
        alerts=f'{_AGENT},agent!=""',
    )


def _totals() -> list[Panel]:
    return [
        numbers(
            "Connected",
            "Agents with an open session. Fewer than expected: the table below says who is away.",
            [Query(f"sum(cronprobe_agent_connected{{{_AGENT}}})", "connected")],
            unit="short",
            empty="no agents known",
            width=6,
        ),
        numbers(
            "Away",
            "Agents that registered once or have a job, and have no session. Their ticks end as unknown / "
            "agent_offline: look at their logs for 'no connection'.",
            [Query(f"sum(cronprobe_agent_connected{{{_AGENT}}} == bool 0)", "away")],
            unit="short",
            empty="no agents known",
            steps=looks.NONE_IS_GOOD,
            width=6,
        ),
        numbers(
            "Versions",
            "How many versions of the agent run; 'stock' counts as one. More than one for long: an update got stuck.",
            [Query(f"count(count by (version) (cronprobe_agent_info{{{_AGENT}}}))", "versions")],
            unit="short",
            empty="no agents known",
            width=6,
        ),
        numbers(
            "Largest clock skew",
            "The clock that is furthest from the server's, the way of an upload included. Above a second the times of "
            "results mislead: look at the agent's NTP.",
            [Query(f"max(abs(cronprobe_agent_clock_skew_seconds{{{_AGENT}}}))", "skew")],
            unit="s",
            empty="no uploads yet",
            steps=[(None, looks.GOOD), (1, looks.LOOK), (5, looks.BAD)],
            width=6,
        ),
    ]


def _who() -> Panel:
    return table(
        "Every agent",
        "A row for each agent that registered or has a job, with its version and the labels that the job file gives "
        "it. Last seen is the age of its last upload. An agent that is away since long: its log, its network, its "
        "token.",
        {"agent": "Agent", "version": "Version", "uuid": "UUID"},
        [
            Column("Session", f"max by (agent) (cronprobe_agent_connected{{{_AGENT}}})", words=looks.CONNECTED),
            Column(
                "Last seen", age(f"max by (agent) (cronprobe_agent_last_seen_timestamp_seconds{{{_AGENT}}})"), "s", 0
            ),
            Column("Skew", f"max by (agent) (cronprobe_agent_clock_skew_seconds{{{_AGENT}}})", "s", 3),
            Column("Running", f"max by (agent) (cronprobe_agent_tasks_running{{{_AGENT}}})"),
            Column("Success", success_ratio(PROBE, "agent"), "percentunit", 2, looks.RATIO),
            Column("Known as", f"cronprobe_agent_info{{{_AGENT}}}"),
        ],
        empty="no agents known",
        sort="Agent",
        hidden=["Value #F", "__name__", "instance", "job"],
        height=8,
    )


def _connected() -> Panel:
    return timeline(
        "Connected over time",
        "Whether each agent had a session. Short gaps in many agents together are restarts of the server or its "
        "proxy; gaps in one are its network, or two agents with one UUID.",
        [Query(f"max by (agent) (cronprobe_agent_connected{{{_AGENT}}})", "{{agent}}")],
        words=looks.CONNECTED,
        empty="no agents known",
    )


def _success() -> Panel:
    return graph(
        "Success ratio by agent",
        "Ok runs among the known ones. One agent far below the others: the trouble is near that agent, not at the "
        "target.",
        [Query(success_ratio(PROBE, "agent"), "{{agent}}")],
        unit="percentunit",
        high=1,
        empty="no known runs in this window",
    )


def _latency() -> Panel:
    buckets = f"cronprobe_latency_seconds_bucket{{{PROBE}}}"
    return graph(
        "p95 of latency by agent",
        "The 95th percentile over all chosen jobs. One agent above the others measures its own network or load.",
        [Query(quantile(0.95, buckets, by="agent, le", window="$window"), "{{agent}}")],
        unit="s",
        empty="no ok runs in this window, or metrics are basic",
    )


def _runs() -> Panel:
    return graph(
        "Runs by agent",
        "Ended runs a second. A step down without a change of the job files: the agent was away or the scheduler "
        "stood.",
        [Query(f"sum by (agent) (rate(cronprobe_runs_total{{{PROBE}}}[$window]))", "{{agent}}")],
        unit="ops",
        empty="no runs in this window",
        stacked=True,
    )


def _unknown() -> Panel:
    failures = f'cronprobe_run_failures_total{{{PROBE},reason=~"{_OURS}"}}'
    return graph(
        "Unknown runs by reason",
        "Runs in the window that ended without a measurement: agent_offline, no session; no_result, nothing came in "
        "time; refused, the agent does not permit the type; no_detail, an expectation needs what it does not tell; "
        "overlap, the one before still ran; internal, trouble of ours. The page 'When it rings' of the README goes "
        "on.",
        [Query(f"sum by (agent, reason) ({new_in(failures, '$window')})", "{{agent}} {{reason}}")],
        unit="short",
        empty="no unknown runs",
        bars=True,
        stacked=True,
    )


def _running() -> Panel:
    return graph(
        "Tasks running",
        "Tasks that were handed over and have no end yet. Growing without end: the agent is stuck or overloaded.",
        [Query(f"cronprobe_agent_tasks_running{{{_AGENT}}}", "{{agent}}")],
        unit="short",
        empty="no agents known",
    )


def _coverage() -> Panel:
    known = f'sum by (agent) (rate(cronprobe_runs_total{{{PROBE},outcome=~"ok|failed"}}[$window]))'
    every = f"sum by (agent) (rate(cronprobe_runs_total{{{PROBE}}}[$window]))"
    return graph(
        "Coverage by agent",
        "Known runs among all that ended. Below 1: the graph of unknown runs says why.",
        [Query(f"{known} / {every}", "{{agent}}")],
        unit="percentunit",
        high=1,
        empty="no runs in this window",
    )


def _skew() -> Panel:
    return graph(
        "Clock skew",
        "Each agent's clock minus the server's at its last upload, the way of the upload included. A slope is a clock "
        "that drifts: look at its NTP.",
        [Query(f"cronprobe_agent_clock_skew_seconds{{{_AGENT}}}", "{{agent}}")],
        unit="s",
        low=None,
        steps=[(None, looks.LOOK), (-1, looks.GOOD), (1, looks.LOOK)],
        empty="no uploads yet",
    )


def _seen() -> Panel:
    return graph(
        "Time since the last upload",
        "It saws between 0 and the period of the agent's jobs. Rising steadily: the agent measures nothing any more.",
        [Query(age(f"cronprobe_agent_last_seen_timestamp_seconds{{{_AGENT}}}"), "{{agent}}")],
        unit="s",
        empty="no uploads yet",
    )


def _replaced() -> Panel:
    return graph(
        "Sessions replaced",
        "Agents that registered while their session on another connection was open. Again and again: two agents "
        "share a UUID, look at agent_uuid in their files.",
        [Query("sum(increase(cronprobe_agent_sessions_replaced_total[$window]))", "replaced")],
        unit="short",
        empty="no server scraped",
        bars=True,
    )
