"""``cronprobe plan``: what job files would change, and what they cost."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from msgspec import Struct
from rich.markup import escape

from cli.client import Client
from cli.options import DEFAULT_SERVER, DEFAULT_STATE_DIR, Files, StateDir, TokenFile, TokenText, find_token
from cli.screen import FileOutput, console
from scheduler.jobfile import load
from scheduler.jobs import JobFile
from scheduler.plan import Changes, Cost, Definitions, changes, cost, definitions
from server.config import MetricsExtent
from server.metrics.forecast import series_of_a_probe
from server.metrics.jobs import SERIES_OF_A_JOB

_CHANGES = 3


def plan(
    files: Files,
    against: Annotated[
        str,
        typer.Option(envvar="CRONPROBE_SERVER", help="Other job files, or the URL of a server.", metavar="PATH|URL"),
    ] = DEFAULT_SERVER,
    output: Annotated[FileOutput, typer.Option("--output", "-o")] = FileOutput.TEXT,
    token_file: TokenFile = None,
    token: TokenText = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
) -> None:
    """
    Show what job files would change, against other files or what a server runs, and what they would cost.

    Exit code 3 when there are changes, 0 when there are none, 2 when the files have mistakes.

    Example: `cronprobe plan jobs/ --against http://127.0.0.1:2211`
    """
    jobs = load(files)
    if against.startswith(("http://", "https://")):
        before = _running(Client(against, find_token(token_file, token, state_dir)))
    else:
        before = definitions(load([Path(against)]))
    found, costs = changes(before, definitions(jobs)), cost(jobs, datetime.now(UTC))
    series = Series(full=_series(jobs, MetricsExtent.FULL), basic=_series(jobs, MetricsExtent.BASIC))
    if output is FileOutput.JSON:
        console.out(_json(found, costs, series), highlight=False)
    else:
        for line in _lines(found, costs, series):
            console.print(line, highlight=False)
    raise typer.Exit(_CHANGES if found else 0)


class Series(Struct, frozen=True):
    """How many there will be on a server with ``--metrics full``, and with ``basic``."""

    full: int
    basic: int


def _series(jobs: JobFile, extent: MetricsExtent) -> int:
    return sum(
        SERIES_OF_A_JOB
        + len(job.agents) * sum(series_of_a_probe(cell.task_text, cell.options, extent) for cell in job.cells)
        for job in jobs.jobs
        if job.enabled
    )


def _running(client: Client) -> Definitions:
    """What the server runs."""
    listed: list[dict[str, Any]] = msgspec.json.decode(client.call("job_list", {}))
    return {job["name"]: job["definition"] for job in listed}


def _json(found: Changes, costs: Cost, series: Series) -> str:
    about = {"bytes_per_day": costs.bytes_per_day, "series": series.full, "series_basic": series.basic}
    whole = {
        "added": found.added,
        "changed": [
            {"name": job.name, "keys": [{"key": key, "before": a, "after": b} for key, a, b in job.keys]}
            for job in found.changed
        ],
        "removed": found.removed,
        "cost": {**msgspec.structs.asdict(costs), **about},
    }
    return msgspec.json.encode(whole).decode()


def _lines(found: Changes, costs: Cost, series: Series) -> Iterator[str]:
    """Rich markup; what comes from files is escaped."""
    for name in found.added:
        yield f"[green]+[/green] {escape(name)}"
    for job in found.changed:
        yield f"[yellow]~[/yellow] {escape(job.name)}"
        for key, before, after in job.keys:
            yield f"    {key}: {escape(_shown(before))} -> {escape(_shown(after))}"
    for name in found.removed:
        yield f"[red]-[/red] {escape(name)}"
    if not found:
        yield "no changes"
    yield (
        f"cost: {costs.probes:,} probes on {costs.agents:,} agents, "
        f"{costs.busiest_second:,} tasks in the busiest second, "
        f"{costs.rows_per_day:,} rows and about {costs.bytes_per_day / 1e6:,.1f} MB a day, "
        f"{series.full:,} series ({series.basic:,} with --metrics basic)"
    )


def _shown(value: Any) -> str:
    return "(absent)" if value is None else value if isinstance(value, str) else msgspec.json.encode(value).decode()
