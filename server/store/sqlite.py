"""
The store on SQLite: one writer connection on a thread of its own, readers beside it (WAL).

A commit is durable when it returns (``synchronous=FULL``: in groups it costs nothing that can be measured).
"""

import asyncio
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar, assert_never

from sqlalchemy import Connection, Engine, create_engine, delete, event, func, insert, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from protocol.conditions import Condition, newest_count
from protocol.crontab import TickCondition
from protocol.errors import ConfigError, ResponseTooBig, StartError, StoreFailed
from server.config import RESPONSE_LIMIT_BYTES
from server.store import queries, tables, ticks
from server.store.interface import (
    Change,
    DeleteTasks,
    DeleteToken,
    FinishRow,
    FinishTasks,
    InsertTasks,
    InternNames,
    Names,
    PutSetting,
    PutToken,
    ReplaceLate,
    ReserveIds,
    ResultRow,
    StoredTask,
    TaskRow,
    Tick,
    TokenRow,
)
from server.store.migrations import MigrationFailed, migrate
from server.store.statements import Bulk
from server.store.tables import setting, task, task_result, token

T = TypeVar("T")

_BUSY_TIMEOUT_S = 10
_NEXT_ID = "next_task_id"

_insert_tasks = Bulk(
    f"INSERT INTO task ({', '.join(TaskRow._fields)})",
    len(TaskRow._fields),
    " ON CONFLICT DO NOTHING",
)
_finish_tasks = Bulk(
    "UPDATE task SET "  # noqa: S608 our own column names
    + ", ".join(f"{name} = v.column{place}" for place, name in enumerate(FinishRow._fields, 1) if name != "id")
    + " FROM (",
    len(FinishRow._fields),
    ") AS v WHERE task.id = v.column1 AND task.finished_ms IS NULL",
)
_put_results = Bulk(
    f"INSERT OR REPLACE INTO task_result ({', '.join(ResultRow._fields)})",
    len(ResultRow._fields),
)


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
                    for answer in _apply_group(connection, kind, list(group))
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


def _apply_group(connection: Connection, kind: type[Change], changes: list[Change]) -> list[object]:
    """Changes of one kind that follow each other: the ends of tasks, which come a frame at a time, as one."""
    if kind is FinishTasks:
        ends = [change for change in changes if isinstance(change, FinishTasks)]
        _finish_tasks.execute(connection, [row for end in ends for row in end.rows])
        _put_results.execute(connection, [row for end in ends for row in end.results])
        return [None] * len(ends)
    return [_apply(connection, change) for change in changes]


def _apply(connection: Connection, change: Change) -> object:
    match change:
        case InsertTasks(rows):
            return _insert(connection, rows)
        case FinishTasks():
            return _apply_group(connection, FinishTasks, [change])[0]
        case ReplaceLate(row, result):
            return _replace_late(connection, row, result)
        case DeleteTasks(conditions, most):
            return _delete(connection, conditions, most)
        case InternNames():
            return _intern(connection, change)
        case PutToken(row):
            return _put_token(connection, row)
        case DeleteToken(id_):
            return connection.execute(delete(token).where(token.c.id == id_)).rowcount > 0
        case ReserveIds(count):
            return _reserve(connection, count)
        case PutSetting(name, value):
            _put_setting(connection, name, value)
            return None
        case _:
            assert_never(change)


def _insert(connection: Connection, rows: Sequence[TaskRow]) -> dict[int, int]:
    if _insert_tasks.execute(connection, rows) == len(rows):
        return {}
    return _duplicates(connection, rows)


def _duplicates(connection: Connection, rows: Sequence[TaskRow]) -> dict[int, int]:
    """{id that was not inserted: id that has its key}. Rare: a scheduler repeats itself after a lost answer."""
    duplicates = {}
    for row in rows:
        holder = connection.scalar(
            select(task.c.id).where(
                task.c.scheduled_ms == row.scheduled_ms,
                task.c.job_id == row.job_id,
                task.c.agent_id == row.agent_id,
            )
        )
        if holder is not None and holder != row.id:
            duplicates[row.id] = holder
    return duplicates


def _replace_late(connection: Connection, row: FinishRow, result: ResultRow | None) -> bool:
    values = row._asdict()
    replaced = connection.execute(
        update(task).where(task.c.id == values.pop("id"), task.c.reason == queries.NO_RESULT).values(values)
    )
    if replaced.rowcount and result is not None:
        _put_results.execute(connection, [result])
    return replaced.rowcount > 0


def _delete(connection: Connection, conditions: Sequence[Condition], most: int) -> tuple[int, list[int]]:
    if newest_count(conditions) is None:
        ids = select(task.c.id).where(queries.matching(conditions)).limit(most)
    else:
        chosen = queries.chosen_ids(conditions)
        newest = select(chosen.c.id).order_by(chosen.c.half)
        ids = select(newest.limit(queries.most(conditions)).subquery())
    doomed = [row[0] for row in connection.execute(ids)]
    running = [row[0] for row in connection.execute(select(task.c.id).where(task.c.finished_ms.is_(None)))]
    connection.execute(delete(task).where(task.c.id.in_(doomed)))
    connection.execute(delete(task_result).where(task_result.c.task_id.in_(doomed)))
    return len(doomed), sorted(set(running) & set(doomed))


def _intern(connection: Connection, names: InternNames) -> Names:
    hashes = {spec: hashlib.sha256(spec.encode()).hexdigest() for spec in names.specs}
    return Names(
        {name: _number(connection, tables.job, {"name": name.name, "cell": name.cell}) for name in names.jobs},
        {uuid: _agent_number(connection, uuid, name) for uuid, name in names.agents.items()},
        {spec: _number(connection, tables.spec, {"hash": hashes[spec]}, {"task": spec}) for spec in names.specs},
    )


def _agent_number(connection: Connection, uuid: str, name: str | None) -> int:
    number = _number(connection, tables.agent, {"uuid": uuid})
    if name is not None:
        is_this = tables.agent.c.id == number
        connection.execute(update(tables.agent).where(tables.agent.c.name == name, ~is_this).values(name=None))
        connection.execute(update(tables.agent).where(is_this).values(name=name))
    return number


def _number(connection: Connection, table: Any, key: dict[str, str], rest: dict[str, str] | None = None) -> int:
    where = [table.c[name] == value for name, value in key.items()]
    number = connection.scalar(select(table.c.id).where(*where))
    if number is None:
        number = (connection.scalar(select(func.max(table.c.id))) or 0) + 1
        connection.execute(insert(table).values(id=number, **key, **(rest or {})))
    return int(number)


def _put_token(connection: Connection, row: TokenRow) -> int:
    id_ = row.id or (connection.scalar(select(func.max(token.c.id))) or 0) + 1
    connection.execute(delete(token).where(token.c.id == id_))
    connection.execute(insert(token).values(row._replace(id=id_)._asdict()))
    return int(id_)


def _reserve(connection: Connection, count: int) -> int:
    first = int(connection.scalar(select(setting.c.value).where(setting.c.name == _NEXT_ID)) or 1)
    _put_setting(connection, _NEXT_ID, str(first + count))
    return first


def _put_setting(connection: Connection, name: str, value: str) -> None:
    connection.execute(delete(setting).where(setting.c.name == name))
    connection.execute(insert(setting).values(name=name, value=value))
