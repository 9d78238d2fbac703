"""Where the scheduler is put together: the runner first, the timetable that feeds it on top."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import structlog
from prometheus_client import CollectorRegistry

from scheduler.cron import trigger_of
from scheduler.declaration import open_declaration
from scheduler.jobs import Job, JobFile
from scheduler.metrics import Metrics
from scheduler.runner import due_tasks, open_runner
from scheduler.schedule import Schedule, Timetable, open_timetable
from scheduler.taskserver import TaskServer

_ENOUGH_TICKS = 120

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
        open_declaration(jobs.jobs, server),
    ):
        _log.info("scheduler started", jobs=len(jobs.jobs), schedules=len(timetable))
        yield Scheduler(timetable)
    _log.info("scheduler stopped")


def tasks_per_minute(jobs: JobFile, at: datetime) -> float:
    """How many tasks the jobs create in a minute, averaged over the hour after ``at`` (which has a time zone)."""
    return sum(len(due) * _ticks_per_minute(schedule, at) for schedule, due in due_tasks(jobs.jobs).items())


def _ticks_per_minute(schedule: Schedule, at: datetime) -> float:
    """A schedule that is due often shows its rate before the hour is over."""
    trigger = trigger_of(schedule.text, schedule.timezone)
    end = at + timedelta(hours=1)
    times: list[datetime] = []
    while len(times) <= _ENOUGH_TICKS:
        following = trigger.after(times[-1] if times else at)
        if following is None or following > end:
            return len(times) / 60
        times.append(following)
    return _ENOUGH_TICKS / ((times[-1] - times[0]).total_seconds() / 60)
