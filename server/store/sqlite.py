"""
The store on SQLite: one writer connection on a thread of its own, readers beside it (WAL).

A commit is durable when it returns (``synchronous=FULL``: in groups it costs nothing that can be measured).
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from itertools import groupby, islice
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, insert, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from protocol.conditions import Condition
from protocol.crontab import TickCondition
from protocol.errors import ConfigError, ResponseTooBig, StartError, StoreFailed
from protocol.stats import Grouping, GroupStats
from server.config import RESPONSE_LIMIT_BYTES
from server.store import expiry, queries, stats, tables, ticks
from server.store.interface import (
    Change,
    GapRow,
    JobName,
    LastEnd,
    StoredTask,
    Tick,
    TokenRow,
)
from server.store.last_ends import select_last_ends
from server.store.migrations import MigrationFailed, migrate
from server.store.sqlite_changes import apply_group
from server.store.tables import setting, token

T = TypeVar("T")

_BUSY_TIMEOUT_S = 10


@asynccontextmanager
async def open_sqlite(url: str) -> AsyncIterator["SqliteStore"]:
    """
    The store in the file that ``sqlite:///PATH`` names; made when absent.

    Raises:
        StartError: the file cannot be opened, is no database of ours, or another server has it.
    """
    path = _path(url)
    lock = _lock(path)
    try:
        store = SqliteStore(path)
        try:
            await store.migrate()
            yield store
        finally:
            await store.close()
    finally:
        os.close(lock)


def _path(url: str) -> Path:
    try:
        database = make_url(url).database
    except ArgumentError:
        database = None
    if not database:
        raise ConfigError(f"--store: {url!r} names no file; want sqlite:///PATH")
    return Path(database)


def _lock(path: Path) -> int:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        lock = os.open(path.with_name(path.name + ".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as e:
        raise StartError(f"{path}: {e.strerror}; choose another --state-dir or --store") from e
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as e:
        os.close(lock)
        raise StartError(f"{path}: another cronprobe server has it open; stop it or choose another --store") from e
    return lock


_NAMES_AT_ONCE = 1_000
_KEYS_AND_COUNTS = len(GroupStats.__struct_fields__) - 1
_FEW_ROWS = 10
"""No upload has more than a tenth of what a response may have, so these need no look at their size."""


class SqliteStore:
    """See ``interface.Store``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engine = _engine(path)
        self._writer = ThreadPoolExecutor(1, "store-writer")
        self._readers = ThreadPoolExecutor(2, "store-reader")

    async def migrate(self) -> None:
        """Bring the tables to their present form."""

        def run() -> None:
            with self._engine.begin() as connection:
                migrate(connection)

        try:
            await asyncio.get_running_loop().run_in_executor(self._writer, run)
        except (SQLAlchemyError, MigrationFailed) as e:
            reason = getattr(e, "orig", None) or e
            raise StartError(f"{self._path}: cannot be opened as a store: {reason}; choose another --store") from e

    async def write(self, changes: Sequence[Change]) -> list[object]:
        """Commit the changes together on the writer's thread."""

        def run() -> list[object]:
            with self._engine.begin() as connection:
                return [
                    answer
                    for kind, group in groupby(changes, key=type)
                    for answer in apply_group(connection, kind, list(group))
                ]

        return await self._on(self._writer, run)

    async def select(self, conditions: Sequence[Condition], among: Sequence[int] | None = None) -> list[StoredTask]:
        """Rows that match."""

        def run(connection: Connection) -> list[StoredTask]:
            if queries.most(conditions) > _FEW_ROWS and among is None:
                size = connection.scalar(queries.select_size(conditions))
                if size > RESPONSE_LIMIT_BYTES:
                    raise ResponseTooBig(RESPONSE_LIMIT_BYTES)
            return [StoredTask._make(row) for row in connection.execute(queries.select_tasks(conditions, among))]

        return await self._read(run)

    async def ticks(self, conditions: Sequence[TickCondition]) -> list[Tick]:
        """Ticks that match."""
        return await self._read(
            lambda connection: [Tick._make(row) for row in connection.execute(ticks.select_ticks(conditions))]
        )

    async def stats(self, conditions: Sequence[Condition], by: Grouping) -> list[GroupStats]:
        """Counts and latencies by group."""
        found = stats.select_stats(conditions, by)
        return await self._read(
            lambda connection: [
                GroupStats(*[*row[:_KEYS_AND_COUNTS], tuple(row[_KEYS_AND_COUNTS:])])
                for row in connection.execute(found)
            ]
        )

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

    async def last_ends(self, cells: Sequence[JobName], most_rows: int) -> list[LastEnd]:
        """See ``Store``."""
        query = select_last_ends(cells, most_rows)
        return await self._read(lambda connection: [LastEnd._make(row) for row in connection.execute(query)])

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

    async def setting(self, name: str, default: str) -> str:
        """A value that lives as long as the store."""

        def run() -> str:
            with self._engine.begin() as connection:
                value = connection.scalar(select(setting.c.value).where(setting.c.name == name))
                if value is None:
                    connection.execute(insert(setting).values(name=name, value=default))
                return default if value is None else value

        return await self._on(self._writer, run)

    async def close(self) -> None:
        """Let the threads finish, then let go of the file."""
        self._readers.shutdown(wait=True, cancel_futures=True)
        self._writer.shutdown(wait=True)
        self._engine.dispose()

    async def _read(self, query: Callable[[Connection], T]) -> T:
        def run() -> T:
            with self._engine.connect() as connection:
                return query(connection)

        return await self._on(self._readers, run)

    async def _on(self, threads: ThreadPoolExecutor, run: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(threads, run)
        except (SQLAlchemyError, OverflowError) as e:
            raise StoreFailed(str(getattr(e, "orig", None) or e)) from e


def _engine(path: Path) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}", connect_args={"timeout": _BUSY_TIMEOUT_S, "check_same_thread": False}, pool_size=4
    )

    def prepare(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA temp_store=MEMORY")

    event.listen(engine, "connect", prepare)
    return engine
