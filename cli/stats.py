"""``cronprobe stats``: how runs ended and how long they took, counted by the server."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

import msgspec
import typer

from cli.agents import agent_uuid
from cli.client import Client
from cli.options import (
    DEFAULT_SERVER,
    DEFAULT_STATE_DIR,
    ServerUrl,
    StateDir,
    TokenFile,
    TokenText,
    check_type,
    find_token,
)
from cli.screen import Output, console, show
from cli.times import show_ms, since_ms, span_ms


class By(StrEnum):
    """What rows can be grouped by."""

    CRON_SOURCE = "cron_source"
    AGENT = "agent"
    TYPE = "type"


_LATENCIES = ("min", "mean", "p50", "p90", "p95", "p99", "max")


def stats(
    by: Annotated[list[By] | None, typer.Option(help="Group by this; repeatable. Default: cron_source.")] = None,
    bucket: Annotated[
        str | None, typer.Option(help="Width of a time bucket: 5m, 1h, 1d. Default: none.", metavar="SPAN")
    ] = None,
    since: Annotated[
        str, typer.Option(help="Finished since: 15m, 2h, 7d, or an RFC 3339 time.", metavar="TIME")
    ] = "1h",
    cron_source: Annotated[str | None, typer.Option(help="Only the job with this name.")] = None,
    task_type: Annotated[str | None, typer.Option("--type", help="Only this task type, such as ping.")] = None,
    agent: Annotated[str | None, typer.Option(help="Only this agent: its name or UUID.")] = None,
    output: Annotated[Output, typer.Option("--output", "-o")] = Output.TABLE,
    server: ServerUrl = DEFAULT_SERVER,
    token_file: TokenFile = None,
    token: TokenText = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
) -> None:
    """
    Count finished runs by outcome, with percentiles of the latency of those that are ok, in ms.

    Example: `cronprobe stats --by cron_source --by agent --since 1d --bucket 1h`
    """
    client = Client(server, find_token(token_file, token, state_dir))
    conditions: list[object] = [{"timestamp_from": since_ms(since)}]
    conditions += [{"cron_source": cron_source}] if cron_source is not None else []
    conditions += [{"type": check_type(task_type, "--type")}] if task_type is not None else []
    conditions += [{"uuid": agent_uuid(client, agent)}] if agent is not None else []
    keys = list(dict.fromkeys(by or [By.CRON_SOURCE]))
    bucket_ms = None if bucket is None else span_ms(bucket, "--bucket")
    query = {"condition": conditions, "group_by": keys, "bucket_ms": bucket_ms}
    groups = client.call("task_stats", {"task_stats_query": query}, timeout_s=120)
    if output is Output.JSON:
        console.out(groups.decode(), highlight=False)
        return
    columns = (*keys, *(["from (UTC)"] if bucket else []), "count", "ok", "failed", "unknown", *_LATENCIES)
    rows = (tuple(_cells(group, keys, has_bucket=bucket is not None)) for group in msgspec.json.decode(groups))
    show(columns, rows, output)


def _cells(group: dict[str, Any], keys: list[By], *, has_bucket: bool) -> Iterator[object]:
    for key in keys:
        yield group["agent_name"] or group["agent_uuid"] if key is By.AGENT else group[key]
    if has_bucket:
        yield show_ms(group["bucket"], "seconds")
    yield from (group[name] for name in ("count", "ok", "failed", "unknown"))
    latency = group["latency_ms"] or {}
    yield from (f"{latency[name]:.3f}" if name in latency else None for name in _LATENCIES)
