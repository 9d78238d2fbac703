"""
Changes as SQLite writes them, inside a transaction of the caller.

What comes by the hundred goes in statements of many rows; the rest through SQLAlchemy's own.
"""

from collections.abc import Sequence
from typing import Any, assert_never

from sqlalchemy import Connection, delete, func, insert, select, update

from protocol.conditions import Condition
from server.store import queries, tables
from server.store.interface import (
    Change,
    DeleteGaps,
    DeleteIds,
    DeleteTasks,
    DeleteToken,
    FinishRow,
    FinishTasks,
    GapRow,
    InsertTasks,
    InternNames,
    Names,
    PutSetting,
    PutToken,
    RecordGaps,
    ReplaceLate,
    ReserveIds,
    ResultRow,
    TaskRow,
    TokenRow,
)
from server.store.spec_hash import spec_hash
from server.store.statements import Bulk
from server.store.tables import gap, setting, task, task_result, token

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


def apply_group(connection: Connection, kind: type[Change], changes: list[Change]) -> list[object]:
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
            return apply_group(connection, FinishTasks, [change])[0]
        case ReplaceLate(row, result):
            return _replace_late(connection, row, result)
        case DeleteTasks(conditions, most):
            return _delete(connection, conditions, most)
        case DeleteIds() | DeleteGaps():
            return _delete_old(connection, change)
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
        case RecordGaps(rows):
            _record_gaps(connection, rows)
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
    doomed = [row[0] for row in connection.execute(queries.select_doomed(conditions, most))]
    running = [row[0] for row in connection.execute(select(task.c.id).where(task.c.finished_ms.is_(None)))]
    connection.execute(delete(task).where(task.c.id.in_(doomed)))
    connection.execute(delete(task_result).where(task_result.c.task_id.in_(doomed)))
    return len(doomed), sorted(set(running) & set(doomed))


def _delete_old(connection: Connection, change: DeleteIds | DeleteGaps) -> int:
    if isinstance(change, DeleteGaps):
        return connection.execute(delete(gap).where(gap.c.to_ms < change.before_ms)).rowcount
    connection.execute(delete(task_result).where(task_result.c.task_id.in_(change.ids)))
    return connection.execute(delete(task).where(task.c.id.in_(change.ids))).rowcount


def _intern(connection: Connection, names: InternNames) -> Names:
    return Names(
        {name: _number(connection, tables.job, {"name": name.name, "cell": name.cell}) for name in names.jobs},
        {uuid: _agent_number(connection, uuid, name) for uuid, name in names.agents.items()},
        {spec: _number(connection, tables.spec, {"hash": spec_hash(spec)}, spec._asdict()) for spec in names.specs},
    )


def _agent_number(connection: Connection, uuid: str, name: str | None) -> int:
    number = _number(connection, tables.agent, {"uuid": uuid})
    if name is not None:
        is_this = tables.agent.c.id == number
        connection.execute(update(tables.agent).where(tables.agent.c.name == name, ~is_this).values(name=None))
        connection.execute(update(tables.agent).where(is_this).values(name=name))
    return number


def _number(connection: Connection, table: Any, key: dict[str, str], rest: dict[str, Any] | None = None) -> int:
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


def _record_gaps(connection: Connection, rows: Sequence[GapRow]) -> None:
    for row in rows:
        known = select(gap.c.name).where(gap.c.name == row.name, gap.c.from_ms == row.from_ms)
        if connection.scalar(known) is None:
            connection.execute(insert(gap).values(row._asdict()))


def _put_setting(connection: Connection, name: str, value: str) -> None:
    connection.execute(delete(setting).where(setting.c.name == name))
    connection.execute(insert(setting).values(name=name, value=value))
