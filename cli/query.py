"""``cronprobe query``: what was found, from the server's store."""

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
from cli.times import show_ms, since_ms

_LONGEST_MS = 1e12
_COLUMNS = ("due (UTC)", "finished (UTC)", "cron_source", "agent", "type", "outcome", "reason", "ms", "message")


def query(
    cron_source: Annotated[str | None, typer.Option(help="Results of the job with this name.")] = None,
    task_type: Annotated[str | None, typer.Option("--type", help="Results of this task type, such as ping.")] = None,
    agent: Annotated[str | None, typer.Option(help="Results of this agent: its name or UUID.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Finished since: 15m, 2h, 7d, or an RFC 3339 time.", metavar="TIME")
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only results that are not ok.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most this many, the newest.")] = 20,
    output: Annotated[Output, typer.Option("--output", "-o", help="json is the protocol's rows to the letter.")] = (
        Output.TABLE
    ),
    server: ServerUrl = DEFAULT_SERVER,
    token_file: TokenFile = None,
    token: TokenText = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
) -> None:
    """
    Show stored results, the newest first.

    Example: `cronprobe query --cron-source edge-ping --since 1h --failed`
    """
    client = Client(server, find_token(token_file, token, state_dir))
    conditions: list[object] = [{"limit": limit}]
    if cron_source is not None:
        conditions.append({"cron_source": cron_source})
    if task_type is not None:
        conditions.append({"type": check_type(task_type, "--type")})
    if agent is not None:
        conditions.append({"uuid": agent_uuid(client, agent)})
    if since is not None:
        conditions.append({"timestamp_from": since_ms(since)})
    if failed:
        conditions.append("is_failure")
    data_query: dict[str, object] = {"condition": conditions}
    if output is not Output.JSON:
        data_query["detail"] = True
    rows = client.call("task_query_task", {"task_data_query": data_query})
    if output is Output.JSON:
        console.out(rows.decode(), highlight=False)
    else:
        show(_COLUMNS, map(_cells, msgspec.json.decode(rows)), output)


def _cells(row: dict[str, Any]) -> tuple[object, ...]:
    task = row["task_event_type"]
    type_name = task if isinstance(task, str) else next(iter(task))
    milliseconds = _milliseconds(row, type_name)
    return (
        show_ms(row["scheduled_at"]),
        show_ms(row["timestamp"]),
        row["cron_source"],
        row["agent_name"] or row["uuid"],
        type_name,
        row["outcome"] or "running",
        row["reason"],
        None if milliseconds is None else f"{milliseconds:.3f}",
        row["error_message"],
    )


def _milliseconds(row: dict[str, Any], type_name: str) -> float | None:
    """What the agent measured; it may have said anything."""
    for found in ((row["task_event_result"] or {}).get(type_name), (row["detail"] or {}).get("duration_ms")):
        if isinstance(found, int | float) and not isinstance(found, bool) and abs(found) < _LONGEST_MS:
            return float(found)
    return None
