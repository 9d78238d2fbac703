"""Ids of tasks: handed out here, in blocks that the store has set aside, so that none is ever used twice."""

import asyncio

from server.store.interface import ReserveIds
from server.writer import Writer

_BLOCK = 100_000


class TaskIds:
    """Hands out ids in ascending order; a restart skips what is left of the block."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._next = 0
        self._end = 0
        self._refill = asyncio.Lock()

    async def take(self, count: int) -> range:
        """
        ``count`` ids that follow each other.

        Raises:
            StoreFailed: no block could be set aside.
        """
        async with self._refill:
            if self._end - self._next < count:
                size = max(_BLOCK, count)
                self._next = await self._writer.write(ReserveIds(size))
                self._end = self._next + size
            taken = range(self._next, self._next + count)
            self._next += count
            return taken
