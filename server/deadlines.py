"""
Deadlines: a task without a result in time ends as ``no_result``.

Tasks of one beat share their deadline, so they wait in buckets of 100 ms and cost one list append each.
"""

import asyncio
from collections.abc import Callable, Iterable

import structlog

from protocol.errors import StoreFailed
from protocol.outcomes import Reason
from server.results import Results
from server.running import RunningTask, RunningTasks

log = structlog.get_logger()

BUCKET_MS = 100


class Deadlines:
    """Watches the running tasks."""

    def __init__(self, *, running: RunningTasks, results: Results, now_ms: Callable[[], int]) -> None:
        self._running = running
        self._results = results
        self._now_ms = now_ms
        self._buckets: dict[int, list[int]] = {}

    def watch(self, tasks: Iterable[RunningTask]) -> None:
        """End them when their deadline passes."""
        for task in tasks:
            self._buckets.setdefault(task.deadline_ms // BUCKET_MS + 1, []).append(task.id)

    async def run(self) -> None:
        """Look every 100 ms, until cancelled."""
        while True:
            await asyncio.sleep(BUCKET_MS / 1000)
            await self.end_due()

    async def end_due(self) -> None:
        """End every task whose deadline has passed."""
        self.watch(self._running.take_returned())
        now = self._now_ms() // BUCKET_MS
        due = [bucket for bucket in self._buckets if bucket <= now]
        ids = [id_ for bucket in due for id_ in self._buckets.pop(bucket)]
        tasks = [task for id_ in ids if (task := self._running.take(id_)) is not None]
        if not tasks:
            return
        try:
            await self._results.give_up(tasks, Reason.NO_RESULT)
        except StoreFailed:
            log.warning("ends of tasks wait for the store", tasks=len(tasks))
