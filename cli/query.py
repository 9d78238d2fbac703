"""``cronprobe query``: what was found, from the server's store."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from cli.client import Client
from cli.exports import Format, export, format_of
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
from cli.paging import count, pages
from cli.progress import is_shown, progress
from cli.rows import Row, read_rows
from cli.screen import Output, console, show
from cli.times import show_ms
from protocol.errors import ConfigError

_USUAL_ROWS = 20
_COLUMNS = ("due (UTC)", "finished (UTC)", "cron_source", "agent", "type", "outcome", "reason", "ms", "message")


def query(
    cron_source: OfJob = None,
    task_type: OfType = None,
    agent: OfAgent = None,
    since: Annotated[
        str | None, typer.Option(help="Finished since: 15m, 2h, 7d, or an RFC 3339 time.", metavar="TIME")
    ] = None,
    failed: Failed = False,
    limit: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="At most this many, the newest. Default: 20.")
    ] = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="json is the protocol's rows to the letter.")] = (
        Output.TABLE
    ),
    to_file: Annotated[
        Path | None, typer.Option("--export", help="Write all results that match to this file.", metavar="FILE")
    ] = None,
    form: Annotated[
        Format | None, typer.Option("--format", help="Of the export. Default: by the ending of its name.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over the file of --export.")] = False,
    server: ServerUrl = DEFAULT_SERVER,
    token_file: TokenFile = None,
    token: TokenText = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
) -> None:
    """
    Show stored results, the newest first; or export all of them, of each agent the newest first.

    Example: `cronprobe query --cron-source edge-ping --since 1h --failed`, or `cronprobe query --since 30d --export
    results.parquet`
    """
    client = Client(server, find_token(token_file, token, state_dir))
    conditions = wanted(client, cron_source=cron_source, task_type=task_type, agent=agent, since=since, failed=failed)
    if to_file is not None:
        if limit is not None:
            raise ConfigError("--limit: an export has all results that match; narrow them down by --since")
        _export(client, conditions, to_file, format_of(to_file, form), force=force)
        return
    conditions.append({"limit": limit or _USUAL_ROWS})
    data_query: dict[str, object] = {"condition": conditions}
    if output is not Output.JSON:
        data_query["detail"] = True
    rows = client.call("task_query_task", {"task_data_query": data_query})
    if output is Output.JSON:
        console.out(rows.decode(), highlight=False)
    else:
        show(_COLUMNS, map(_cells, read_rows(rows)), output)


def _export(client: Client, conditions: Sequence[object], file: Path, form: Format, *, force: bool) -> None:
    until_ms = time.time_ns() // 1_000_000
    total = count(client, conditions, until_ms) if is_shown() else None
    with progress(f"exporting to {file}", total) as advance:
        export(pages(client, conditions, until_ms), file, form, force=force, on_rows=advance)


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
