"""Where the scheduler is put together: the runner first, the timetable that feeds it on top."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

import structlog
from prometheus_client import CollectorRegistry

from scheduler.beats import due_of
from scheduler.declaration import Declaration, open_declaration
from scheduler.jobs import JobFile
from scheduler.metrics import Metrics
from scheduler.misfires import Misfires
from scheduler.runner import Runner, open_runner
from scheduler.schedule import Timetable, open_timetable
from scheduler.taskserver import TaskServer

_log = structlog.get_logger()


def wall_clock_ms() -> int:
    """Now, ms since the epoch."""
    return time.time_ns() // 1_000_000


class Scheduler:
    """A running scheduler."""

    def __init__(
        self,
        *,
        timetable: Timetable,
        runner: Runner,
        declaration: Declaration,
        metrics: Metrics,
        now_ms: Callable[[], int],
    ) -> None:
        self._timetable = timetable
        self._runner = runner
        self._declaration = declaration
        self._metrics = metrics
        self._now_ms = now_ms

    @property
    def schedules(self) -> int:
        """How many distinct schedules run."""
        return len(self._timetable)

    def load(self, jobs: JobFile) -> None:
        """
        Let these jobs take the place of the running ones, in one step.

        What is due already is still told by the old definition; an unchanged schedule keeps its ticks.
        """
        due = due_of(jobs.jobs)
        now = datetime.now(UTC)
        self._timetable.end([schedule for schedule in self._timetable if schedule not in due.tasks], now)
        self._runner.load(due)
        self._timetable.begin([schedule for schedule in due.tasks if schedule not in self._timetable], now)
        self._metrics.loaded(jobs.jobs, self._now_ms())
        self._declaration.change(jobs)

    def load_failed(self) -> None:
        """A load went wrong: the old jobs go on, and the metric says so."""
        self._metrics.load_failed()


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
    due = due_of(jobs.jobs)
    async with open_runner(due, server, metrics=metrics, now_ms=now_ms) as runner, AsyncExitStack() as stack:
        misfires = Misfires(server=server, runner=runner, metrics=metrics, started_ms=wall_clock_ms())
        timetable = await stack.enter_async_context(open_timetable(due.tasks, runner.beat))
        declaration = await stack.enter_async_context(
            open_declaration(jobs, server, started_ms=misfires.started_ms, on_last_ticks=misfires.settle)
        )
        _log.info("scheduler started", jobs=len(jobs.jobs), schedules=len(timetable))
        yield Scheduler(timetable=timetable, runner=runner, declaration=declaration, metrics=metrics, now_ms=now_ms)
    _log.info("scheduler stopped")
