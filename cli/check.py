"""``cronprobe check``: every mistake in job files, or how much work they are."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer

from cli.options import Files
from cli.screen import FileOutput, console
from scheduler.jobfile import JobFileError, load
from scheduler.plan import tasks_per_minute


def check(files: Files, output: Annotated[FileOutput, typer.Option("--output", "-o")] = FileOutput.TEXT) -> None:
    """
    Check job files: all their mistakes as FILE:LINE:COL, exit code 2; or one line that says they are fine.

    Example: `cronprobe check jobs.yaml`
    """
    try:
        jobs = load(files)
    except JobFileError as e:
        if output is FileOutput.TEXT:
            raise
        console.out(msgspec.json.encode({"mistakes": e.mistakes}).decode(), highlight=False)
        raise typer.Exit(2) from e
    enabled = [job for job in jobs.jobs if job.enabled]
    probes = sum(len(job.agents) * len(job.cells) for job in enabled)
    rate = tasks_per_minute(jobs, datetime.now(UTC))
    if output is FileOutput.JSON:
        found = {"jobs": len(jobs.jobs), "probes": probes, "tasks_per_minute": rate, "mistakes": []}
        console.out(msgspec.json.encode(found).decode(), highlight=False)
    else:
        console.out(f"ok: {len(jobs.jobs)} jobs, {probes} probes, {rate:.1f} tasks/min", highlight=False)
