"""
Changes as PostgreSQL writes them, inside a transaction of the caller.

Rows travel as arrays, a column each, and every change is a few statements however many rows it has. Changes of one kind
that follow each other are one where rows come by the hundred.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, assert_never

from sqlalchemy.ext.asyncio import AsyncConnection

from server.store import queries
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
    PutSetting,
    PutToken,
    RecordGaps,
    ReplaceLate,
    ReserveIds,
    ResultRow,
    TokenRow,
)
from server.store.postgres_names import intern
from server.store.postgres_rows import LATE_RESULT, RUNNING, delete_rows, end_rows, insert_rows
from server.store.postgres_unnest import columns, touched, unnest
from server.store.text import to_stored

_RESERVE = """
INSERT INTO setting AS s (name, value) VALUES ('next_task_id', (1 + $1::bigint)::text)
ON CONFLICT (name) DO UPDATE SET value = (s.value::bigint + $1)::text
RETURNING value::bigint - $1
"""
_PUT_SETTING = """
INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""
_PUT_TOKEN = (
    f"INSERT INTO token ({', '.join(TokenRow._fields)})"  # noqa: S608 our own column names
    f" VALUES ({', '.join(f'${place}' for place in range(1, len(TokenRow._fields) + 1))})"
)
_RECORD_GAPS = (
    f"INSERT INTO gap ({', '.join(GapRow._fields)}) SELECT * FROM "  # noqa: S608 our own column names
    + unnest({"name": "text", "from_ms": "bigint", "to_ms": "bigint", "ticks": "int"})
    + " ON CONFLICT DO NOTHING"
)


async def apply(connection: AsyncConnection, raw: Any, changes: Sequence[Change]) -> list[object]:
    """The answer to each change; ``raw`` is the driver's side of the connection, within a transaction."""
    answers: list[object] = []
    for kind, group in groupby(changes, key=type):
        answers += await _apply_group(connection, raw, kind, list(group))
    return answers


async def _apply_group(
    connection: AsyncConnection, raw: Any, kind: type[Change], changes: Sequence[Change]
) -> Sequence[object]:
    if kind is InsertTasks:
        return await insert_rows(raw, [change.rows for change in changes if isinstance(change, InsertTasks)])
    if kind is FinishTasks:
        ends = [change for change in changes if isinstance(change, FinishTasks)]
        await end_rows(raw, RUNNING, [pair for end in ends for pair in _with_results(end)])
        return [None] * len(ends)
    if kind is ReplaceLate:
        late = [(change.row, change.result) for change in changes if isinstance(change, ReplaceLate)]
        return await end_rows(raw, LATE_RESULT, late)
    return [await _apply(connection, raw, change) for change in changes]


async def _apply(connection: AsyncConnection, raw: Any, change: Change) -> object:
    match change:
        case InsertTasks() | FinishTasks() | ReplaceLate():
            return (await _apply_group(connection, raw, type(change), [change]))[0]
        case DeleteTasks(conditions, most):
            doomed = await connection.execute(queries.select_doomed(conditions, most))
            return await delete_rows(raw, [row[0] for row in doomed])
        case DeleteIds(ids):
            return (await delete_rows(raw, ids))[0]
        case DeleteGaps(before_ms):
            return touched(await raw.execute("DELETE FROM gap WHERE to_ms < $1", before_ms))
        case InternNames():
            return await intern(raw, change)
        case PutToken(row):
            return await _put_token(raw, row)
        case DeleteToken(id_):
            return await raw.fetchval("DELETE FROM token WHERE id = $1 RETURNING true", id_) is True
        case ReserveIds(count):
            return await raw.fetchval(_RESERVE, count)
        case PutSetting(name, value):
            await raw.execute(_PUT_SETTING, to_stored(name), to_stored(value))
            return None
        case RecordGaps(rows):
            stored = [row._replace(name=to_stored(row.name) or "") for row in rows]
            await raw.execute(_RECORD_GAPS, *columns(stored, len(GapRow._fields)))
            return None
        case _:
            assert_never(change)


def _with_results(end: FinishTasks) -> list[tuple[FinishRow, ResultRow | None]]:
    results = {result.task_id: result for result in end.results}
    return [(row, results.get(row.id)) for row in end.rows]


async def _put_token(raw: Any, row: TokenRow) -> object:
    await raw.execute("LOCK TABLE token IN SHARE ROW EXCLUSIVE MODE")  # or two servers find the same next id
    id_ = row.id or await raw.fetchval("SELECT coalesce(max(id), 0) + 1 FROM token")
    await raw.execute("DELETE FROM token WHERE id = $1", id_)
    stored = row._replace(id=id_, limits=to_stored(row.limits) or "", username=to_stored(row.username))
    await raw.execute(_PUT_TOKEN, *stored)
    return id_
