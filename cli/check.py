"""``cronprobe check``: every mistake in job files, or how much work they are."""

from datetime import UTC, datetime

from cli.options import Files
from cli.screen import console
from scheduler.app import tasks_per_minute
from scheduler.jobfile import load


def check(files: Files) -> None:
    """
    Check job files: all their mistakes as FILE:LINE:COL, exit code 2; or one line that says they are fine.

    Example: `cronprobe check jobs.yaml`
    """
    jobs = load(files)
    enabled = [job for job in jobs.jobs if job.enabled]
    probes = sum(len(job.agents) * len(job.cells) for job in enabled)
    rate = tasks_per_minute(jobs, datetime.now(UTC))
    console.out(f"ok: {len(jobs.jobs)} jobs, {probes} probes, {rate:.1f} tasks/min", highlight=False)
