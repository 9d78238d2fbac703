"""
Feeds of results: a subscriber gets every row that ends and matches its conditions, as a query would answer it.

Rows are read from the store once they are committed, so that a feed and a query can never disagree. A subscriber that
reads too slowly is cut off, and counts on queries for what it missed.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence

import structlog

from protocol.conditions import Condition
from protocol.errors import StoreFailed
from protocol.jsonrpc import notification
from server.rows import row_text
from server.store.interface import Store

log = structlog.get_logger()

Send = Callable[[bytes], Awaitable[None]]

METHOD = "task_subscribe_results"
_READ_AT_ONCE = 500
_FRAME_BYTES = 512 * 1024
_MOST_WAITING = 100_000
_STORE_PAUSE_S = 1.0


class Feed:
    """
    One subscription; ``send`` writes a frame to its connection and waits while that is slow.

    ``detail`` gives rows with all their columns. ``cut_off`` ends the connection of a subscriber that is too slow.
    """

    def __init__(
        self,
        *,
        subscription: int,
        conditions: Sequence[Condition],
        detail: bool,
        send: Send,
        cut_off: Callable[[str], Awaitable[None]],
        feeds: "Feeds",
        store: Store,
    ) -> None:
        self.subscription = subscription
        self._conditions = conditions
        self._detail = detail
        self._send = send
        self._cut_off = cut_off
        self._feeds = feeds
        self._store = store
        self._ids: deque[int] = deque()
        self._filled = asyncio.Event()

    def put(self, ids: Sequence[int]) -> None:
        """These rows have ended."""
        self._ids.extend(ids)
        self._filled.set()

    async def drain(self) -> None:
        """Send what matches, until cancelled."""
        self._feeds.add(self)
        try:
            while len(self._ids) <= _MOST_WAITING:
                await self._filled.wait()
                self._filled.clear()
                while 0 < len(self._ids) <= _MOST_WAITING:
                    await self._send_some()
        finally:
            self._feeds.discard(self)
        log.warning("subscriber too slow", subscription=self.subscription, rows_waiting=len(self._ids))
        await self._cut_off("too slow: results waited")

    async def _send_some(self) -> None:
        ids = [self._ids.popleft() for _ in range(min(_READ_AT_ONCE, len(self._ids)))]
        try:
            rows = await self._store.select(self._conditions, among=ids)
        except StoreFailed as e:
            log.warning("results wait for the store", subscription=self.subscription, why=str(e))
            self._ids.extendleft(reversed(ids))
            await asyncio.sleep(_STORE_PAUSE_S)
            return
        for frame in _frames([row_text(row, detail=self._detail) for row in rows]):
            await self._send(notification(METHOD, self.subscription, b"[" + b",".join(frame) + b"]"))


def _frames(rows: Sequence[bytes]) -> Iterator[list[bytes]]:
    """The rows in groups of a size that common clients take; a larger row goes alone."""
    frame: list[bytes] = []
    size = 0
    for row in rows:
        if frame and size + len(row) > _FRAME_BYTES:
            yield frame
            frame, size = [], 0
        frame.append(row)
        size += len(row)
    if frame:
        yield frame


class Feeds:
    """The feeds that are open."""

    def __init__(self) -> None:
        self._open: set[Feed] = set()

    def add(self, feed: Feed) -> None:
        """From now on the feed hears of ended rows."""
        self._open.add(feed)

    def discard(self, feed: Feed) -> None:
        """It hears no more."""
        self._open.discard(feed)

    def announce(self, ids: Sequence[int]) -> None:
        """Rows have ended and are committed."""
        for feed in self._open:
            feed.put(ids)
