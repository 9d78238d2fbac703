"""``cronprobe next``: when jobs are due."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
import typer

from cli.completion import job_names
from cli.screen import Output, console, show
from cli.times import moment
from protocol.errors import ConfigError
from scheduler.due import Schedule, trigger
from scheduler.durations import duration_text
from scheduler.jobfile import load
from scheduler.jobs import Job

_COLUMNS = ("job", "due (UTC)", "in its zone", "zone", "splay")


def next(  # noqa: A001 the verb's name
    path: Annotated[Path, typer.Argument(help="Job file, or a directory of them.", metavar="PATH")],
    job: Annotated[str | None, typer.Argument(help="Only this job.", metavar="JOB", autocompletion=job_names)] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=1_000, help="Times for each job.")] = 5,
    at: Annotated[
        str | None, typer.Option(help="Times after this RFC 3339 time instead of now.", metavar="TIME")
    ] = None,
    output: Annotated[Output, typer.Option("--output", "-o")] = Output.TABLE,
) -> None:
    """
    Show when jobs are due next, in UTC and in their zones. A splay comes on top, another for each agent and cell.

    Example: `cronprobe next jobs.yaml daily-check -n 3 --at 2026-03-28T00:00:00Z`
    """
    jobs = load([path])
    chosen = [one for one in jobs.jobs if job is None or one.name == job]
    if job is not None and not chosen:
        known = ", ".join(one.name for one in jobs.jobs[:12])
        raise ConfigError(f"JOB: no job is named {job!r}; known are {known}")
    start = datetime.now(UTC) if at is None else moment(at, "--at")
    rows = [row for one in chosen for row in _rows(one, start, count)]
    if output is Output.JSON:
        listed = [{"job": name, "due": due, "local": local, "zone": zone} for name, due, local, zone, _ in rows]
        console.out(msgspec.json.encode(listed).decode(), highlight=False)
    else:
        show(_COLUMNS, rows, output)


def _rows(job: Job, start: datetime, count: int) -> Iterator[tuple[str, str, str, str, str | None]]:
    if not job.enabled:
        yield job.name, "disabled", "", job.timezone, None
        return
    due = trigger(Schedule(job.schedule, job.timezone, 0, job.active))
    splay = f"up to {duration_text(job.splay_ms)}" if job.splay_ms else None
    at: datetime | None = start
    for _ in range(count):
        at = None if at is None else due.after(at)
        if at is not None:
            local = at.astimezone(ZoneInfo(job.timezone))
            yield job.name, at.isoformat(sep=" "), local.isoformat(sep=" "), job.timezone, splay
