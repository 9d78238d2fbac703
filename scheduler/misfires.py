"""
What becomes of ticks that passed while no scheduler ran: they are recorded, and a job may ask to fire once for them.
"""

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from scheduler.beats import due_of
from scheduler.gaps import gaps
from scheduler.jobs import Job
from scheduler.metrics import Metrics
from scheduler.runner import Runner
from scheduler.taskserver import TaskServer

_log = structlog.get_logger()


class Misfires:
    """Looks back once, from ``started_ms``, ms since the epoch: what is due later is fired by the timetable."""

    def __init__(self, *, server: TaskServer, runner: Runner, metrics: Metrics, started_ms: int) -> None:
        self.started_ms = started_ms
        self._server = server
        self._runner = runner
        self._metrics = metrics

    async def settle(self, jobs: Sequence[Job], last_ms: Mapping[str, int]) -> None:
        """
        Record what ``jobs`` missed since their last ticks, and fire those once that ask for it.

        Raises:
            TaskServerAway, TaskServerRefused: nothing was recorded nor fired.
        """
        found = await asyncio.to_thread(gaps, jobs, last_ms, self.started_ms)
        if not found:
            return
        await self._server.record_gaps(found)
        ticks = sum(gap.ticks for gap in found)
        self._metrics.missed.inc(ticks)
        _log.warning("ticks missed while no scheduler ran", ticks=ticks, jobs=len(found), first_ms=found[0].from_ms)
        missed = {gap.cron_source for gap in found}
        for tasks in due_of([job for job in jobs if job.misfire == "once" and job.name in missed]).tasks.values():
            self._runner.fire(tasks, self.started_ms)
