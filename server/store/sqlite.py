"""
The store on SQLite: one writer connection on a thread of its own, readers beside it (WAL).

A commit is durable when it returns (``synchronous=FULL``: in groups it costs nothing that can be measured).
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, insert, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from protocol.errors import ConfigError, StartError, StoreFailed
from server.store.interface import Change
from server.store.migrations import MigrationFailed, migrate
from server.store.reading import Reading
from server.store.sqlite_changes import apply_group
from server.store.tables import setting

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


class SqliteStore(Reading):
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
