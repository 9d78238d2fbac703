"""Panels that follow a task: ticks, dispatch, results, commits, and the calls that carry them."""

from grafana import looks
from grafana.panels import Panel, buckets, graph
from grafana.queries import Query, new_in, quantile, quantiles

_HERE = 'instance=~"$instance"'
_NO_SCHEDULER = "no scheduler scraped"
_NO_SERVER = "no server scraped"
_RATE = "$__rate_interval"


def scheduler_panels() -> list[Panel]:
    """Ticks, and how late they are."""
    return [
        graph(
            "Ticks",
            "Ticks a second: fired, overlap (the run before was not over), missed (given up or refused). Missed "
            "ticks left no row: look at the scheduler's log for 'ticks missed' and 'task refused'.",
            [Query(f"sum by (outcome) (rate(cronprobe_scheduler_ticks_total{{{_HERE}}}[{_RATE}]))", "{{outcome}}")],
            unit="ops",
            empty=_NO_SCHEDULER,
            stacked=True,
        ),
        graph(
            "Lag",
            "From the scheduled time of a beat to its tasks stored. Above a second ticks come late: look at CPU, and "
            "at the store's writes.",
            quantiles(f"cronprobe_scheduler_lag_seconds_bucket{{{_HERE}}}"),
            unit="s",
            empty=_NO_SCHEDULER,
            steps=[(None, looks.GOOD), (1, looks.LOOK), (5, looks.BAD)],
        ),
        graph(
            "Jobs",
            "Jobs of the files by state. A step without a change of yours: a reload, see the blue marks.",
            [Query(f"sum by (state) (cronprobe_scheduler_jobs{{{_HERE}}})", "{{state}}")],
            unit="short",
            empty=_NO_SCHEDULER,
        ),
    ]


def result_panels() -> list[Panel]:
    """The way of a task to its agent and back."""
    rejected = f"cronprobe_results_rejected_total{{{_HERE}}}"
    return [
        graph(
            "Dispatch",
            "From stored to handed to the agent's connection. Rising: outboxes fill, agents read too slowly.",
            quantiles(f"cronprobe_dispatch_seconds_bucket{{{_HERE}}}"),
            unit="s",
            empty=_NO_SERVER,
            width=6,
        ),
        buckets(
            "Results",
            "From handed to the connection to the result stored: mostly the time that probes take. A band at the "
            "jobs' timeout: agents that answer at the last moment.",
            f"cronprobe_result_seconds_bucket{{{_HERE}}}",
            empty=_NO_SERVER,
            width=6,
        ),
        graph(
            "Late results",
            "Results that came after their run had ended as no_result. Some: timeout is too short for the target, or "
            "agents resend after an outage.",
            [Query(f"sum(increase(cronprobe_results_late_total{{{_HERE}}}[{_RATE}]))", "late")],
            unit="short",
            empty=_NO_SERVER,
            bars=True,
            width=6,
        ),
        graph(
            "Rejected results",
            "Uploads that were refused, by reason. unknown_task: of another server or a deleted row; uploaded: sent "
            "twice; permission: the token; variant: another type than asked for; store: a commit failed.",
            [Query(f"sum by (reason) ({new_in(rejected, '$__range')})", "{{reason}}")],
            unit="short",
            empty="none was rejected",
            bars=True,
            width=6,
        ),
    ]


def store_panels() -> list[Panel]:
    """Commits."""
    return [
        graph(
            "Writes",
            "Duration of a group commit. Above 100 ms the disk is slow or shared; results wait for it.",
            quantiles(f"cronprobe_store_write_seconds_bucket{{{_HERE}}}"),
            unit="s",
            empty=_NO_SERVER,
            steps=[(None, looks.GOOD), (0.1, looks.LOOK), (1, looks.BAD)],
            width=6,
        ),
        graph(
            "Queue",
            "Changes that wait for their commit. It returns to 0 between commits; staying up means that the disk "
            "does not keep pace.",
            [Query(f"cronprobe_store_queue_depth{{{_HERE}}}", "{{instance}}")],
            unit="short",
            empty=_NO_SERVER,
            width=6,
        ),
        graph(
            "Rows",
            "Rows written a second by operation. insert and update go together: each run is both; delete is retention.",
            [Query(f"sum by (op) (rate(cronprobe_store_rows_total{{{_HERE}}}[{_RATE}]))", "{{op}}")],
            unit="ops",
            empty=_NO_SERVER,
            width=6,
        ),
        graph(
            "Errors",
            "Commits that failed. Any: the log says why ('store write failed'), the disk is the first suspect.",
            [Query(f"sum(increase(cronprobe_store_errors_total{{{_HERE}}}[{_RATE}]))", "errors")],
            unit="short",
            empty=_NO_SERVER,
            bars=True,
            width=6,
        ),
    ]


def rpc_panels() -> list[Panel]:
    """Calls."""
    requests = f"cronprobe_rpc_requests_total{{{_HERE}}}"
    failed = f'cronprobe_rpc_requests_total{{{_HERE},code!="0"}}'
    seconds = f"cronprobe_rpc_request_seconds_bucket{{{_HERE}}}"
    return [
        graph(
            "Calls by method",
            "Calls a second. An unnamed method is one that nobody knows. A method far above its usual rate: a script "
            "in a loop.",
            [Query(f"sum by (method) (rate({requests}[{_RATE}]))", "{{method}}")],
            unit="reqps",
            empty=_NO_SERVER,
        ),
        graph(
            "Failed calls by method and code",
            "Calls that were answered with an error. 102 is a permission that a token lacks; 429 a connection too "
            "many.",
            [Query(f"sum by (method, code) ({new_in(failed, '$__range')})", "{{method}} {{code}}")],
            unit="short",
            empty="no call failed",
            bars=True,
        ),
        graph(
            "Duration of calls, p95",
            "By method. One method high: its callers ask for too much at once; all of them: CPU, or the store.",
            [Query(quantile(0.95, seconds, by="method, le"), "{{method}}")],
            unit="s",
            empty=_NO_SERVER,
        ),
    ]
