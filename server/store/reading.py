"""
The questions of ``interface.Store`` for any backend that can run a function on a SQLAlchemy connection of its own.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, select

from protocol.conditions import Condition
from protocol.crontab import TickCondition
from protocol.errors import ResponseTooBig
from protocol.stats import Grouping, GroupStats
from server.config import RESPONSE_LIMIT_BYTES
from server.store import expiry, queries, stats, tables, ticks
from server.store.interface import GapRow, JobName, LastEnd, StoredTask, Tick, TokenRow
from server.store.last_ends import select_last_ends
from server.store.tables import token

T = TypeVar("T")

_NAMES_AT_ONCE = 1_000
_FEW_ROWS = 10
"""No upload has more than a tenth of what a response may have, so these need no look at their size."""


class Reading(ABC):
    """See ``interface.Store``."""

    @abstractmethod
    async def _read(self, query: Callable[[Connection], T]) -> T:
        """
        What the query finds.

        Raises:
            StoreFailed: the database refused or is out of reach.
        """

    async def select(self, conditions: Sequence[Condition], among: Sequence[int] | None = None) -> list[StoredTask]:
        """Rows that match."""

        def run(connection: Connection) -> list[StoredTask]:
            size, tasks = self._selects(connection, conditions, among)
            if queries.most(conditions) > _FEW_ROWS and among is None:
                size_bytes = connection.scalar(size)
                if size_bytes > RESPONSE_LIMIT_BYTES:
                    raise ResponseTooBig(RESPONSE_LIMIT_BYTES)
            return [StoredTask._make(row) for row in connection.execute(tasks)]

        return await self._read(run)

    def _selects(
        self, _connection: Connection, conditions: Sequence[Condition], among: Sequence[int] | None
    ) -> tuple[Select[Any], Select[Any]]:
        """The size of what a query finds, and what it finds, as the backend does best."""
        return queries.select_size(conditions), queries.select_tasks(conditions, among)

    async def ticks(self, conditions: Sequence[TickCondition]) -> list[Tick]:
        """Ticks that match."""
        return await self._read(
            lambda connection: [Tick._make(row) for row in connection.execute(ticks.select_ticks(conditions))]
        )

    async def stats(self, conditions: Sequence[Condition], by: Grouping) -> list[GroupStats]:
        """Counts and latencies by group."""
        found = stats.select_stats(conditions, by)
        return await self._read(lambda connection: [stats.read_group(row, by) for row in connection.execute(found)])

    async def last_runs(self, names: Sequence[str]) -> dict[str, int]:
        """When the last tick of each job was due."""

        def run(connection: Connection) -> dict[str, int]:
            found: dict[str, int] = {}
            for start in range(0, len(names), _NAMES_AT_ONCE):
                part = names[start : start + _NAMES_AT_ONCE]
                for name, due_ms in connection.execute(ticks.select_last_runs(part)):
                    if due_ms is not None:
                        found[name] = max(due_ms, found.get(name, due_ms))
            return found

        return await self._read(run)

    async def last_ticks(self, names: Sequence[str], before_ms: int) -> dict[str, int]:
        """See ``Store``."""

        def run(connection: Connection) -> dict[str, int]:
            found: dict[str, int] = {}
            for query in ticks.select_last_ticks(connection.scalar(ticks.select_newest(before_ms)) or 0, before_ms):
                for name, due_ms in connection.execute(query):
                    found[name] = max(due_ms, found.get(name, 0))
            wanted = set(names)
            return {name: due_ms for name, due_ms in found.items() if name in wanted}

        return await self._read(run)

    async def gaps(self, names: Sequence[str], since_ms: int) -> list[GapRow]:
        """See ``Store``."""
        wanted = set(names)

        def run(connection: Connection) -> list[GapRow]:
            rows = (GapRow._make(row) for row in connection.execute(ticks.select_gaps(since_ms)))
            return list(islice((row for row in rows if row.name in wanted), ticks.MOST_GAPS))

        return await self._read(run)

    async def expired(self, before_ms: Mapping[str, int], others_before_ms: int | None, most: int) -> list[int]:
        """See ``Store``."""
        of_job, by_hand = expiry.select_expired(), expiry.select_expired_by_hand()

        def run(connection: Connection) -> list[int]:
            ids: list[int] = []
            for id_, name in connection.execute(expiry.select_jobs()).all():
                before = before_ms.get(name, others_before_ms)
                if before is not None and len(ids) < most:
                    bounds = {expiry.JOB: id_, expiry.BEFORE: before, expiry.MOST: most - len(ids)}
                    ids += connection.scalars(of_job, bounds)
            if others_before_ms is not None:
                bounds = {expiry.BEFORE: others_before_ms, expiry.MOST: most - len(ids)}
                ids += connection.scalars(by_hand, bounds)
            return ids

        return await self._read(run)

    async def last_ends(self, cells: Sequence[JobName], most_rows: int) -> list[LastEnd]:
        """See ``Store``."""
        query = select_last_ends(cells, most_rows)
        return await self._read(lambda connection: [LastEnd._make(row) for row in connection.execute(query)])

    async def running(self) -> list[StoredTask]:
        """All tasks without an end."""
        return await self._read(
            lambda connection: [StoredTask._make(row) for row in connection.execute(queries.select_running())]
        )

    async def agents(self) -> list[tuple[str, str | None]]:
        """All agents."""
        columns = select(tables.agent.c.uuid, tables.agent.c.name).order_by(tables.agent.c.id)
        return await self._read(lambda connection: [(uuid, name) for uuid, name in connection.execute(columns)])

    async def tokens(self) -> list[TokenRow]:
        """All token records."""
        return await self._read(
            lambda connection: [TokenRow._make(row) for row in connection.execute(select(token).order_by(token.c.id))]
        )
