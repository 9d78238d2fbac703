"""
Deletes rows whose time is over: each job's own time, for all else the server's.

Rows are looked for on a reader's thread and deleted a few at a time, with a pause after each, so that no tick waits for
it. The newest row of a job stays whatever its age: it says when the job last ran.
"""

import asyncio
from collections.abc import Callable
from typing import Never

import structlog

from protocol.errors import StoreFailed
from server.jobs import Jobs
from server.store.interface import DeleteGaps, DeleteIds, Store
from server.writer import Writer

log = structlog.get_logger()

SWEEP_S = 60.0
_FOUND_AT_ONCE = 10_000
_DELETED_AT_ONCE = 500
_PAUSE_S = 0.02


class Retention:
    """``kept_ms`` is how long rows are kept whose job says nothing of it; ``None`` is for ever."""

    def __init__(
        self, *, jobs: Jobs, store: Store, writer: Writer, now_ms: Callable[[], int], kept_ms: int | None
    ) -> None:
        self._jobs = jobs
        self._store = store
        self._writer = writer
        self._now_ms = now_ms
        self._kept_ms = kept_ms

    async def run(self) -> Never:
        """Sweep every minute, until cancelled."""
        while True:
            try:
                deleted = await self.sweep()
                if deleted:
                    log.info("rows deleted whose time was over", rows=deleted)
            except StoreFailed as e:
                log.warning("rows whose time is over wait for the store", why=str(e))
            await asyncio.sleep(SWEEP_S)

    async def sweep(self) -> int:
        """
        Delete all that is due; how many rows that were.

        Raises:
            StoreFailed: some may be left.
        """
        now = self._now_ms()
        before = {
            job.declared.name: now - job.declared.retention_ms
            for job in self._jobs
            if job.declared.retention_ms is not None
        }
        others_before = None if self._kept_ms is None else now - self._kept_ms
        if others_before is not None:
            await self._writer.write(DeleteGaps(others_before))
        deleted = 0
        while ids := await self._store.expired(before, others_before, _FOUND_AT_ONCE):
            for start in range(0, len(ids), _DELETED_AT_ONCE):
                deleted += await self._writer.write(DeleteIds(ids[start : start + _DELETED_AT_ONCE]))
                await asyncio.sleep(_PAUSE_S)
            if len(ids) < _FOUND_AT_ONCE:
                break
        return deleted
