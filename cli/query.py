"""``cronprobe query``: what was found, from the server's store."""

from typing import Annotated

import typer

from cli.client import Client
from cli.filters import conditions as wanted
from cli.options import (
    DEFAULT_SERVER,
    DEFAULT_STATE_DIR,
    Failed,
    OfAgent,
    OfJob,
    OfType,
    ServerUrl,
    StateDir,
    TokenFile,
    TokenText,
    find_token,
)
from cli.rows import Row, read_rows
from cli.screen import Output, console, show
from cli.times import show_ms

_COLUMNS = ("due (UTC)", "finished (UTC)", "cron_source", "agent", "type", "outcome", "reason", "ms", "message")


def query(
    cron_source: OfJob = None,
    task_type: OfType = None,
    agent: OfAgent = None,
    since: Annotated[
        str | None, typer.Option(help="Finished since: 15m, 2h, 7d, or an RFC 3339 time.", metavar="TIME")
    ] = None,
    failed: Failed = False,
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
    conditions = wanted(client, cron_source=cron_source, task_type=task_type, agent=agent, since=since, failed=failed)
    conditions.append({"limit": limit})
    data_query: dict[str, object] = {"condition": conditions}
    if output is not Output.JSON:
        data_query["detail"] = True
    rows = client.call("task_query_task", {"task_data_query": data_query})
    if output is Output.JSON:
        console.out(rows.decode(), highlight=False)
    else:
        show(_COLUMNS, map(_cells, read_rows(rows)), output)


def _cells(row: Row) -> tuple[object, ...]:
    return (
        show_ms(row.scheduled_at),
        show_ms(row.timestamp),
        row.cron_source,
        row.agent,
        row.type_name,
        row.outcome or "running",
        row.reason,
        None if row.latency_ms is None else f"{row.latency_ms:.3f}",
        row.error_message,
    )
