"""
The store on PostgreSQL: one connection that writes, three that read, all of which come back by themselves.

Every call has a deadline. Whatever goes wrong in a transaction ends its connection: the database rolls back by itself,
and nothing has to be asked of a connection that may be dead. Several servers may have the same database open.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg
from sqlalchemy import URL, Connection, Select, select, text, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from protocol.conditions import Condition, FromCron
from protocol.errors import StoreFailed
from server.store.interface import Change, JobName, LastEnd
from server.store.migrations import MigrationFailed, migrate
from server.store.postgres_changes import apply
from server.store.postgres_days import LOCK, Days
from server.store.postgres_expiry import find_expired
from server.store.postgres_last_ends import select_last_ends
from server.store.postgres_queries import chosen_rows, find_among, select_cells, select_tasks
from server.store.postgres_url import read_url, reason, start_error
from server.store.queries import size_of
from server.store.reading import Reading
from server.store.tables import setting

T = TypeVar("T")

_CONNECT_S = 5
_MIGRATION_S = 600
_READERS = 3
_FAILURES = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


@asynccontextmanager
async def open_postgres(url: str, *, call_s: float = 30.0) -> AsyncIterator["PostgresStore"]:
    """
    The store in the database that ``postgresql://USER:PASSWORD@HOST:PORT/DB`` names, which must be there.

    ``call_s`` is the longest that a call takes, a new connection included.

    Raises:
        ConfigError: the URL is malformed.
        StartError: the database cannot be reached or used.
    """
    address = read_url(url)
    store = PostgresStore(address, call_s)
    try:
        try:
            await store.migrate()
        except (*_FAILURES, MigrationFailed) as e:
            raise start_error(address, e) from e
        yield store
    finally:
        await store.close()


class PostgresStore(Reading):
    """See ``interface.Store``."""

    def __init__(self, url: URL, call_s: float) -> None:
        self._call_s = call_s
        # The driver is spoken to directly, transactions too; each plan must see which days its ids are of.
        self._writing = _engine(url, call_s, 1, isolation_level="AUTOCOMMIT", plan_cache_mode="force_custom_plan")
        self._reading = _engine(url, call_s, _READERS, pool_pre_ping=True)
        self._days = Days()

    async def migrate(self) -> None:
        """Bring the tables to their present form, one server at a time."""
        async with asyncio.timeout(_MIGRATION_S), self._reading.begin() as connection:
            await connection.execute(text(f"SET LOCAL statement_timeout = '{_MIGRATION_S}s'"))
            await connection.execute(text(LOCK))
            await connection.run_sync(migrate)
        async with asyncio.timeout(self._call_s), self._writing.connect() as connection:
            await self._days.prepare(await _raw(connection))

    async def write(self, changes: Sequence[Change]) -> list[object]:
        """Commit the changes together on the writer's connection."""
        try:
            async with asyncio.timeout(self._call_s), self._writing.connect() as connection:
                return await self._commit(connection, changes)
        except _FAILURES as e:
            raise _store_failed(e) from e

    async def _commit(self, connection: AsyncConnection, changes: Sequence[Change]) -> list[object]:
        raw = await _raw(connection)
        try:
            await self._days.prepare(raw)
            await raw.execute("BEGIN")
            answers = await apply(connection, raw, changes)
            await raw.execute("COMMIT")
        except BaseException:  # cancelled, too: nobody knows what of it arrived, so the connection goes with it
            raw.terminate()
            await connection.invalidate()
            raise
        return answers

    async def setting(self, name: str, default: str) -> str:
        """A value that lives as long as the store; the first server to ask writes it."""

        def run(connection: Connection) -> str:
            connection.execute(insert(setting).values(name=name, value=default).on_conflict_do_nothing())
            connection.commit()
            value: str = connection.execute(select(setting.c.value).where(setting.c.name == name)).scalar_one()
            return value

        return await self._read(run)

    def _selects(
        self, connection: Connection, conditions: Sequence[Condition], among: Sequence[int] | None
    ) -> tuple[Select[Any], Select[Any]]:
        jobs = {condition.name for condition in conditions if isinstance(condition, FromCron)}
        cells = list(connection.scalars(select_cells(jobs.pop()))) if len(jobs) == 1 else None
        where = true() if among is None else find_among(connection, among)
        chosen = chosen_rows(conditions, where, cells)
        return size_of(chosen), select_tasks(chosen, conditions)

    async def expired(self, before_ms: Mapping[str, int], others_before_ms: int | None, most: int) -> list[int]:
        """See ``Store``."""
        return await self._read(lambda connection: find_expired(connection, before_ms, others_before_ms, most))

    async def last_ends(self, cells: Sequence[JobName], most_rows: int) -> list[LastEnd]:
        """See ``Store``."""
        query = select_last_ends(cells, most_rows)
        return await self._read(lambda connection: [LastEnd._make(row) for row in connection.execute(query)])

    async def close(self) -> None:
        """Let go of all connections."""
        await self._writing.dispose()
        await self._reading.dispose()

    async def _read(self, query: Callable[[Connection], T]) -> T:
        try:
            async with asyncio.timeout(self._call_s), self._reading.connect() as connection:
                return await connection.run_sync(query)
        except _FAILURES as e:
            raise _store_failed(e) from e


def _engine(url: URL, call_s: float, connections: int, plan_cache_mode: str = "auto", **options: Any) -> AsyncEngine:
    server_settings = {
        "application_name": "cronprobe",
        "statement_timeout": f"{call_s * 1000:.0f}ms",
        "idle_in_transaction_session_timeout": f"{call_s * 2000:.0f}ms",
        "jit": "off",
        "plan_cache_mode": plan_cache_mode,
    }
    return create_async_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        connect_args={"timeout": _CONNECT_S, "server_settings": server_settings},
        **options,
    )


async def _raw(connection: AsyncConnection) -> Any:
    """The driver's connection; another one when it was lost while it waited."""
    raw = (await connection.get_raw_connection()).driver_connection
    if raw is not None and raw.is_closed():
        await connection.invalidate()
        raw = (await connection.get_raw_connection()).driver_connection
    return raw


def _store_failed(failure: BaseException) -> StoreFailed:
    if isinstance(failure, TimeoutError):
        return StoreFailed("no answer from PostgreSQL in time")
    return StoreFailed(reason(failure))
