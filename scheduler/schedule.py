"""
APScheduler's door: one APScheduler job per distinct schedule, and a callback that is told the nominal time.

Nothing is coalesced and nothing is too late to be told: what becomes of a late tick is not decided here.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from apscheduler.events import EVENT_SCHEDULER_SHUTDOWN
from apscheduler.executors.base import BaseExecutor
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from scheduler.cron import epoch_ms
from scheduler.due import Schedule, trigger

LONGEST_SLEEP_S = 1.0


OnTick = Callable[[Schedule, int], None]


class _TickExecutor(BaseExecutor):  # type: ignore[misc]
    """Runs the callback in the loop, once for each due time, with that time instead of the present."""

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        schedule = job.args[0]
        for run_time in run_times:
            job.func(schedule, epoch_ms(run_time))


class _WallClockScheduler(AsyncIOScheduler):  # type: ignore[misc]
    """Looks at the wall clock every second: the loop's timers do not notice when it is set, or the machine slept."""

    def _start_timer(self, wait_seconds: float | None) -> None:
        super()._start_timer(None if wait_seconds is None else min(wait_seconds, LONGEST_SLEEP_S))


class Timetable:
    """The running schedules. ``on_tick`` is called at each due time of each of them; it must not wait."""

    def __init__(self, apscheduler: AsyncIOScheduler, on_tick: OnTick) -> None:
        self._apscheduler = apscheduler
        self._on_tick = on_tick
        self._jobs: dict[Schedule, Any] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def end(self, schedules: Iterable[Schedule], now: datetime) -> None:
        """End these; what is due by ``now`` and was not told yet is told first."""
        for schedule in schedules:
            job = self._jobs.pop(schedule)
            due = job.next_run_time
            while due is not None and due <= now:
                self._on_tick(schedule, epoch_ms(due))
                due = job.trigger.get_next_fire_time(due, now)
            job.remove()

    def begin(self, schedules: Iterable[Schedule], now: datetime) -> None:
        """Let these run as well, from their first due time after ``now`` on."""
        for schedule in schedules:
            times = trigger(schedule)
            self._jobs[schedule] = self._apscheduler.add_job(
                self._on_tick,
                times,
                next_run_time=times.after(now),
                args=(schedule, 0),  # the executor puts the nominal time in place of 0
                coalesce=False,
                misfire_grace_time=None,
                max_instances=sys.maxsize,
            )

    def __contains__(self, schedule: Schedule) -> bool:
        return schedule in self._jobs

    def __iter__(self) -> Iterator[Schedule]:
        return iter(self._jobs)


@asynccontextmanager
async def open_timetable(schedules: Iterable[Schedule], on_tick: OnTick) -> AsyncIterator[Timetable]:
    """A timetable that runs until this is left."""
    apscheduler = _WallClockScheduler(timezone=UTC, executors={"default": _TickExecutor()})
    timetable = Timetable(apscheduler, on_tick)
    timetable.begin(schedules, datetime.now(UTC))
    stopped = asyncio.Event()
    apscheduler.add_listener(lambda _event: stopped.set(), EVENT_SCHEDULER_SHUTDOWN)
    apscheduler.start()
    try:
        yield timetable
    finally:
        apscheduler.shutdown(wait=False)
        await stopped.wait()  # it stops at the loop's next turn, and a tick may come until then
