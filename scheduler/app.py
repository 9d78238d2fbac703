"""Where the scheduler is put together: the runner first, the timetable that feeds it on top."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog
from prometheus_client import CollectorRegistry

from scheduler.jobs import Job, JobFile
from scheduler.metrics import Metrics
from scheduler.runner import due_tasks, open_runner
from scheduler.schedule import Schedule, Timetable, open_timetable
from scheduler.taskserver import TaskServer

_log = structlog.get_logger()


def wall_clock_ms() -> int:
    """Now, ms since the epoch."""
    return time.time_ns() // 1_000_000


class Scheduler:
    """A running scheduler."""

    def __init__(self, timetable: Timetable) -> None:
        self._timetable = timetable

    @property
    def schedules(self) -> int:
        """How many distinct schedules run."""
        return len(self._timetable)

    def next_fire_ms(self, job: Job) -> int | None:
        """When ``job`` is due next, ms since the epoch; ``None``: it is disabled, or has no agents."""
        if not job.enabled or not job.agents:
            return None
        return self._timetable.next_ms(Schedule(job.schedule, job.timezone))


@asynccontextmanager
async def open_scheduler(
    jobs: JobFile, server: TaskServer, *, registry: CollectorRegistry, now_ms: Callable[[], int] = wall_clock_ms
) -> AsyncIterator[Scheduler]:
    """
    Fire ``jobs`` into ``server`` until this is left, which takes a second at most.

    ``now_ms`` only measures lateness; schedules follow the clock of the machine.
    """
    metrics = Metrics(registry)
    metrics.loaded(jobs.jobs, now_ms())
    tasks = due_tasks(jobs.jobs)
    async with (
        open_runner(tasks, server, metrics=metrics, now_ms=now_ms) as runner,
        open_timetable(tasks, runner.beat) as timetable,
    ):
        _log.info("scheduler started", jobs=len(jobs.jobs), schedules=len(timetable))
        yield Scheduler(timetable)
    _log.info("scheduler stopped")
