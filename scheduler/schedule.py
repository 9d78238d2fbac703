"""
APScheduler's door: one APScheduler job per distinct schedule, and a callback that is told the nominal time.

Nothing is coalesced and nothing is too late to be told: what becomes of a late tick is not decided here.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

from apscheduler.events import EVENT_SCHEDULER_SHUTDOWN
from apscheduler.executors.base import BaseExecutor
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from scheduler.cron import epoch_ms, trigger_of

LONGEST_SLEEP_S = 1.0


class Schedule(NamedTuple):
    """What makes a schedule distinct: its text and the name of its time zone."""

    text: str
    timezone: str


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
    """The running schedules."""

    def __init__(self, apscheduler: AsyncIOScheduler) -> None:
        self._apscheduler = apscheduler

    def __len__(self) -> int:
        return len(self._apscheduler.get_jobs())

    def next_ms(self, schedule: Schedule) -> int | None:
        """When ``schedule`` is due next, ms since the epoch; ``None``: it does not run here."""
        job = self._apscheduler.get_job(_id(schedule))
        return None if job is None else epoch_ms(job.next_run_time)


def _id(schedule: Schedule) -> str:
    return f"{schedule.text} {schedule.timezone}"


@asynccontextmanager
async def open_timetable(schedules: Iterable[Schedule], on_tick: OnTick) -> AsyncIterator[Timetable]:
    """``on_tick`` is called at each due time of each schedule, until this is left; it must not wait."""
    apscheduler = _WallClockScheduler(timezone=UTC, executors={"default": _TickExecutor()})
    for schedule in schedules:
        apscheduler.add_job(
            on_tick,
            trigger_of(*schedule),
            args=(schedule, 0),  # the executor puts the nominal time in place of 0
            id=_id(schedule),
            coalesce=False,
            misfire_grace_time=None,
            max_instances=sys.maxsize,
        )
    stopped = asyncio.Event()
    apscheduler.add_listener(lambda _event: stopped.set(), EVENT_SCHEDULER_SHUTDOWN)
    apscheduler.start()
    try:
        yield Timetable(apscheduler)
    finally:
        apscheduler.shutdown(wait=False)
        await stopped.wait()  # it stops at the loop's next turn, and a tick may come until then
