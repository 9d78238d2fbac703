"""
The parts of ``task``, one a day, made some days ahead so that nothing waits for them.

A row of a day without a part lies in the default one, where everything works alike. That is also what happens when a
part cannot be made: it is tried again, and nothing fails. Old days go as soon as they are empty; what little is left in
one that is older still (the newest row of a job that is gone) moves to the default part.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import structlog

from server.clock import now_ms

log = structlog.get_logger()

DAY_MS = 86_400_000
_AHEAD_DAYS = 7
_OLD_DAYS, _FEW_ROWS = 30, 1_000
_RETRY_S = 60.0
_LOCK = 0x63726F6E  # whoever makes parts or migrates
_PARTS = "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'task'::regclass"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

LOCK = f"SELECT pg_advisory_xact_lock({_LOCK})"
"""Held to the end of the transaction: only one server changes tables at a time."""


def today() -> int:
    """The number of the day that is now."""
    return now_ms() // DAY_MS


_Step = Callable[[Any, str, int], Awaitable[None]]


class Days:
    """Sees to the parts once a day."""

    def __init__(self) -> None:
        self._seen_to_on = -1
        self._retry_at_s = 0.0

    async def prepare(self, raw: Any) -> None:
        """Make the parts of the days to come, drop those that are over. Outside of a transaction."""
        loop = asyncio.get_running_loop()
        now = today()
        if self._seen_to_on == now or loop.time() < self._retry_at_s:
            return
        there: set[str] = {row[0] for row in await raw.fetch(_PARTS)}
        wanted = {_name(day): day for day in range(now - 1, now + _AHEAD_DAYS + 1)}
        steps: list[tuple[_Step, str, int]] = [(_make, name, wanted[name]) for name in wanted.keys() - there]
        steps += [(_drop, name, now - day) for name in there if (day := _day(name)) is not None and day < now - 1]
        self._seen_to_on = now
        for step, name, number in steps:
            try:
                async with raw.transaction():
                    await raw.execute("SET LOCAL lock_timeout = '2s'")
                    await raw.execute(LOCK)
                    await step(raw, name, number)
            except (asyncpg.CheckViolationError, asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError) as e:
                log.warning("part of the table left as it is", part=name, why=str(e), next_try_s=_RETRY_S)
                self._seen_to_on, self._retry_at_s = -1, loop.time() + _RETRY_S


async def _make(raw: Any, name: str, day: int) -> None:
    await raw.execute(f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF task FOR VALUES FROM ({day}) TO ({day + 1})")


async def _drop(raw: Any, name: str, age_days: int) -> None:
    """Drop the part if it is as good as empty."""
    few = _FEW_ROWS if age_days > _OLD_DAYS else 0
    if await raw.fetchval("SELECT to_regclass($1)", name) is None or await _has_more(raw, name, few):
        return
    await raw.execute(f"LOCK TABLE {name}")
    if not await _has_more(raw, name, few):
        await raw.execute(f"CREATE TEMP TABLE left_over ON COMMIT DROP AS SELECT * FROM {name}")  # noqa: S608 our own
        await raw.execute(f"DROP TABLE {name}")
        await raw.execute("INSERT INTO task SELECT * FROM left_over")


async def _has_more(raw: Any, name: str, few: int) -> bool:
    return await raw.fetchval(f"SELECT 1 FROM {name} OFFSET $1 LIMIT 1", few) is not None  # noqa: S608 our own name


def _name(day: int) -> str:
    return f"task_{_EPOCH + timedelta(days=day):%Y%m%d}"


def _day(name: str) -> int | None:
    """The day of a part; ``None`` for the default one."""
    try:
        return (datetime.strptime(name, "task_%Y%m%d").replace(tzinfo=UTC) - _EPOCH).days
    except ValueError:
        return None
