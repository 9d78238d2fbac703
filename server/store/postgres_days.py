"""
The parts of ``task``, one a day, made some days ahead so that nothing waits for them.

A row of a day without a part lies in the default one, where everything works but the dropping of a whole day. That is
also what happens when a part cannot be made: it is tried again, and nothing fails.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import structlog

from server.clock import now_ms

log = structlog.get_logger()

DAY_MS = 86_400_000
_AHEAD_DAYS, _LEAST_AHEAD_DAYS = 7, 3
_RETRY_S = 60.0
_LOCK = 0x63726F6E  # whoever makes parts or migrates
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

LOCK = f"SELECT pg_advisory_xact_lock({_LOCK})"
"""Held to the end of the transaction: only one server changes tables at a time."""


def today() -> int:
    """The number of the day that is now."""
    return now_ms() // DAY_MS


class Days:
    """What this server knows of the parts."""

    def __init__(self) -> None:
        self._made_to = -1
        self._retry_at_s = 0.0

    async def prepare(self, raw: asyncpg.Connection) -> None:
        """Make the parts of yesterday and the days to come, unless they were made. Outside of a transaction."""
        loop = asyncio.get_running_loop()
        now = today()
        if self._made_to >= now + _LEAST_AHEAD_DAYS or loop.time() < self._retry_at_s:
            return
        for day in range(now - 1, now + _AHEAD_DAYS + 1):
            try:
                async with raw.transaction():
                    await _make(raw, day)
            except (asyncpg.CheckViolationError, asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError) as e:
                log.warning("no part for a day; its rows go to the default one", part=_name(day), why=str(e))
                self._retry_at_s = loop.time() + _RETRY_S
        self._made_to = now + _AHEAD_DAYS if loop.time() >= self._retry_at_s else -1


async def _make(raw: asyncpg.Connection, day: int) -> None:
    name = _name(day)
    if await raw.fetchval("SELECT to_regclass($1)", name) is None:
        await raw.execute("SET LOCAL lock_timeout = '2s'")
        await raw.execute(LOCK)
        await raw.execute(f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF task FOR VALUES FROM ({day}) TO ({day + 1})")


def _name(day: int) -> str:
    return f"task_{_EPOCH + timedelta(days=day):%Y%m%d}"
