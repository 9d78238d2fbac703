"""``cronprobe stats``: how runs ended, how long they took, and how much of what was due they are."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from math import floor
from typing import Annotated, Any

import msgspec
import typer

from cli.client import CallRefused, Client
from cli.coverage import Gap, missed_by_group, with_coverage
from cli.filters import conditions as wanted
from cli.options import (
    DEFAULT_SERVER,
    DEFAULT_STATE_DIR,
    OfAgent,
    OfJob,
    OfType,
    ServerUrl,
    StateDir,
    TokenFile,
    TokenText,
    find_token,
)
from cli.screen import Output, console, show
from cli.times import show_ms, since_ms, span_ms


class By(StrEnum):
    """What rows can be grouped by."""

    CRON_SOURCE = "cron_source"
    AGENT = "agent"
    TYPE = "type"


_COUNTS = ("count", "ok", "failed", "unknown", "missed")
_RATIOS = ("uptime", "coverage")
_LATENCIES = ("min", "mean", "p50", "p90", "p95", "p99", "max")
_NO_RUNS: Mapping[str, Any] = {
    **dict.fromkeys(("count", "running", "ok", "failed", "unknown"), 0),
    "latency_ms": None,
    "reasons": {},
}


def stats(
    by: Annotated[list[By] | None, typer.Option(help="Group by this; repeatable. Default: cron_source.")] = None,
    bucket: Annotated[
        str | None, typer.Option(help="Width of a time bucket: 5m, 1h, 1d. Default: none.", metavar="SPAN")
    ] = None,
    since: Annotated[
        str, typer.Option(help="Finished since: 15m, 2h, 7d, or an RFC 3339 time.", metavar="TIME")
    ] = "1h",
    cron_source: OfJob = None,
    task_type: OfType = None,
    agent: OfAgent = None,
    output: Annotated[Output, typer.Option("--output", "-o")] = Output.TABLE,
    server: ServerUrl = DEFAULT_SERVER,
    token_file: TokenFile = None,
    token: TokenText = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
) -> None:
    """
    Count finished runs by outcome and reason, with percentiles of the latency of those that are ok, in ms.

    `uptime` is ok / (ok + failed). `coverage` is (ok + failed) / due, where what was due is every run and every tick
    that no scheduler fired (`missed`); ticks are missed by jobs, so it is told by `cron_source` alone.

    Example: `cronprobe stats --cron-source edge-ping --since 7d --bucket 1d`
    """
    client = Client(server, find_token(token_file, token, state_dir))
    start_ms = since_ms(since)
    conditions = [
        {"timestamp_from": start_ms},
        *wanted(client, cron_source=cron_source, task_type=task_type, agent=agent),
    ]
    keys = list(dict.fromkeys(by or [By.CRON_SOURCE]))
    bucket_ms = None if bucket is None else span_ms(bucket, "--bucket")
    query = {"condition": conditions, "group_by": keys, "bucket_ms": bucket_ms, "reasons": True}
    groups = msgspec.json.decode(client.call("task_stats", {"task_stats_query": query}, timeout_s=120))
    is_by_job = keys == [By.CRON_SOURCE] and task_type is None and agent is None
    gaps = _gaps(client, cron_source, start_ms) if is_by_job else None
    found = _covered(groups, gaps, start_ms, bucket_ms)
    if output is Output.JSON:
        console.out(msgspec.json.encode(found).decode(), highlight=False)
        return
    columns = (*keys, *(["from (UTC)"] if bucket else []), *_COUNTS, *_RATIOS, *_LATENCIES, "reasons")
    show(columns, (tuple(_cells(group, keys, has_bucket=bucket is not None)) for group in found), output)


def _gaps(client: Client, job: str | None, start_ms: int) -> list[Gap] | None:
    """Ticks that nobody fired; ``None`` where the token may not know of them."""
    names = [] if job is None else [job]
    try:
        return msgspec.json.decode(client.call("job_gaps", {"names": names, "since_ms": start_ms}), type=list[Gap])
    except CallRefused as e:
        print(f"cronprobe: stats: no coverage: {e}; use a token with crontab: read", file=sys.stderr)  # noqa: T201
        return None


def _covered(
    groups: Sequence[Mapping[str, Any]], gaps: Sequence[Gap] | None, start_ms: int, bucket_ms: int | None
) -> list[dict[str, Any]]:
    """The groups with their coverage, and groups of nothing where all that was due was missed."""
    if gaps is None:
        return [with_coverage(group, None) for group in groups]
    missed = dict(missed_by_group(gaps, start_ms, bucket_ms))
    found = [with_coverage(group, missed.pop((group["cron_source"], group.get("bucket")), 0)) for group in groups]
    for (job, bucket), ticks in missed.items():
        if ticks:
            place = {"cron_source": job} if bucket_ms is None else {"cron_source": job, "bucket": bucket}
            found.append(with_coverage({**place, **_NO_RUNS}, ticks))
    return sorted(found, key=lambda group: (group["cron_source"] or "", group.get("bucket") or 0))


def _cells(group: Mapping[str, Any], keys: Sequence[By], *, has_bucket: bool) -> Iterator[object]:
    for key in keys:
        yield group["agent_name"] or group["agent_uuid"] if key is By.AGENT else group[key]
    if has_bucket:
        yield show_ms(group["bucket"], "seconds")
    yield from (group[name] for name in _COUNTS)
    yield from (None if group[name] is None else _percent(group[name]) for name in _RATIOS)
    latency = group["latency_ms"] or {}
    yield from (f"{latency[name]:.3f}" if name in latency else None for name in _LATENCIES)
    by_count = sorted(group["reasons"].items(), key=lambda reason: (-reason[1], reason[0]))
    yield ", ".join(f"{word} {count}" for word, count in by_count)


def _percent(ratio: float) -> str:
    """Rounded down: what is not all must not look as if it were."""
    return f"{floor(round(ratio * 100_000, 6)) / 1_000:.3f}%"
