"""rich's door: what a person sees. Colours only on a terminal, by rich's own rule."""

import csv
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from server.app import Server
from server.config import Config
from server.results import Finished


class Output(StrEnum):
    """The form of a listing."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


_WIDE = 1_000
"""Columns where no terminal is: another program reads, and lines must not be folded for it."""

console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _WIDE)


def show(columns: Sequence[str], rows: Iterable[Sequence[object]], output: Output) -> None:
    """Write a listing as a table or CSV; ``None`` in a cell is empty."""
    if output is Output.CSV:
        writer = csv.writer(sys.stdout)
        writer.writerow(columns)
        writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    console.print(table)


def announce_server(server: Server, config: Config) -> None:
    """Say where things are; the root token only when it is new."""
    base = f"http://{config.host}:{server.port}"
    lines = [
        ("server", f"{base}   (UUID {server.uuid})"),
        ("metrics", f"{base}/metrics"),
        ("store", config.store),
        ("token", f"{server.root_token_file}   (root)"),
    ]
    if server.new_root_token is not None:
        lines.append(("", f"{server.new_root_token}   shown this once"))
    for name, text in lines:
        console.print(f"[bold]{name:8}[/bold] {text}", markup=True)


def result_line(run: Finished) -> str:
    """One stored result, as ``up`` prints it."""
    series = run.task.series
    time = datetime.fromtimestamp((run.task.scheduled_ms or run.finished_ms) / 1000, UTC).strftime("%H:%M:%S")
    label = series.stats.labels if series.stats else None
    name = f"{series.cron_source or '(by hand)':20} {label.agent if label else series.agent_uuid:10}"
    if run.reason is None:
        latency = "" if run.latency_ms is None else f"{run.latency_ms:.2f} ms"
        return f"{time} {name} {series.type_name:13} [green]ok[/green]      {latency}"
    colour = "red" if run.reason.outcome == "failed" else "yellow"
    message = escape("" if run.response is None else run.response.error_message or "")
    outcome = f"[{colour}]{run.reason.outcome:7}[/{colour}]"
    return f"{time} {name} {series.type_name:13} {outcome} {run.reason.word}  {message}"
