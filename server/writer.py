"""
The one writer: whatever waits is committed together.

While one commit is on its way the next group gathers, so that an idle server writes at once and a busy one in large
transactions. Whoever awaits ``write`` goes on after the commit.
"""

import asyncio
from collections import deque
from typing import Any

import structlog
from msgspec import Struct

from protocol.errors import StoreFailed
from server.metrics.own import OwnMetrics
from server.store.interface import Change, DeleteTasks, FinishTasks, InsertTasks, ReplaceLate, Store

log = structlog.get_logger()

_MOST_ROWS = 4_000


class _Waiting(Struct):
    change: Change
    rows: int
    done: asyncio.Future[Any]


class Writer:
    """Turns single changes into group commits."""

    def __init__(self, *, store: Store, metrics: OwnMetrics) -> None:
        self._store = store
        self._metrics = metrics
        self._queue: deque[_Waiting] = deque()
        self._filled = asyncio.Event()
        metrics.store_queue_depth.set_function(lambda: len(self._queue))

    async def write(self, change: Change) -> Any:
        """
        Commit the change, together with what else waits, and give its answer.

        Raises:
            StoreFailed: it was not committed.
        """
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(change, _rows(change), done))
        self._filled.set()
        return await done

    async def run(self) -> None:
        """Commit group after group, until cancelled; what waits then is still committed."""
        try:
            while True:
                await self._filled.wait()
                await self._commit(self._gather())
        except asyncio.CancelledError:
            while self._queue:
                await self._commit(self._gather())
            raise

    def _gather(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        rows = 0
        while self._queue and (not group or rows + self._queue[0].rows <= _MOST_ROWS):
            waiting = self._queue.popleft()
            group.append(waiting)
            rows += waiting.rows
        if not self._queue:
            self._filled.clear()
        return group

    async def _commit(self, group: list[_Waiting]) -> None:
        start = asyncio.get_running_loop().time()
        try:
            answers = await asyncio.shield(self._store.write([waiting.change for waiting in group]))
        except StoreFailed as e:
            await self._failed(group, e)
            return
        self._metrics.commit_ended(well=True)
        self._metrics.store_write_seconds.observe(asyncio.get_running_loop().time() - start)
        for waiting, answer in zip(group, answers, strict=True):
            self._metrics.count_rows(waiting.change, answer)
            if not waiting.done.done():
                waiting.done.set_result(answer)

    async def _failed(self, group: list[_Waiting], failure: StoreFailed) -> None:
        """One bad change must not take the others with it: commit each by itself."""
        self._metrics.commit_ended(well=False)
        log.error("store write failed", error=failure.message, changes=len(group))
        if len(group) > 1:
            for waiting in group:
                await self._commit([waiting])
            return
        if not group[0].done.done():
            group[0].done.set_exception(failure)


def _rows(change: Change) -> int:
    match change:
        case InsertTasks(rows) | FinishTasks(rows):
            return len(rows)
        case ReplaceLate() | DeleteTasks():
            return 1
        case _:
            return 0
