"""
Rows of ``task`` as PostgreSQL writes them: by the hundred in one statement.

An id alone does not say of which day a row is. A row that ends is nearly always of a day around its end, so it is
looked for there first, and everywhere only when it is not found.
"""

from collections.abc import Sequence
from typing import Any

from server.store.interface import FinishRow, ResultRow, TaskRow
from server.store.postgres_days import DAY_MS, today
from server.store.postgres_unnest import columns, touched, unnest
from server.store.queries import NO_RESULT
from server.store.text import to_stored

RUNNING = "task.finished_ms IS NULL"
LATE_RESULT = f"task.reason = {NO_RESULT}"

_NEW = {
    "id": "bigint",
    "job_id": "int",
    "spec_id": "int",
    "agent_id": "int",
    "scheduled_ms": "bigint",
    "timeout_ms": "int",
    "finished_ms": "bigint",
    "stored_ms": "bigint",
    "success": "bool",
    "reason": "smallint",
    "token": "text",
    "flags": "smallint",
}
_DAY = f"coalesce(scheduled_ms / {DAY_MS}, $13)"
# In the order of the key, so that two servers which insert the same ticks wait for each other in the same order.
_INSERT = f"""
INSERT INTO task (day, {", ".join(_NEW)}) SELECT {_DAY}, * FROM {unnest(_NEW)}
ORDER BY scheduled_ms, job_id, agent_id
ON CONFLICT DO NOTHING
"""  # noqa: S608 our own column names
_KEY = {"id": "bigint", "scheduled_ms": "bigint", "job_id": "int", "agent_id": "int"}
_HOLDERS = f"""
SELECT v.id, task.id FROM {unnest(_KEY)}
JOIN task ON task.scheduled_ms = v.scheduled_ms AND task.job_id = v.job_id AND task.agent_id = v.agent_id
    AND task.day = v.scheduled_ms / {DAY_MS}
WHERE task.id <> v.id
"""  # noqa: S608 our own column names

_END = {
    "id": "bigint",
    "sent_ms": "bigint",
    "started_ms": "bigint",
    "finished_ms": "bigint",
    "stored_ms": "bigint",
    "success": "bool",
    "reason": "smallint",
    "latency_ms": "float8",
    "flags": "smallint",
}
_UPDATE = f"""
UPDATE task SET {", ".join(f"{name} = v.{name}" for name in _END if name != "id")} FROM {unnest(_END)}
WHERE task.id = v.id AND task.day BETWEEN $10 AND $11 AND
"""  # noqa: S608 our own column names
_ANY_DAY = (-(2**31), 2**31 - 1)

_TEXTS = {"task_id": "bigint", "error_message": "text", "result": "text", "detail": "text"}
_PUT_RESULTS = f"""
INSERT INTO task_result ({", ".join(_TEXTS)}) SELECT * FROM {unnest(_TEXTS)}
ON CONFLICT (task_id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _TEXTS if name != "task_id")}
"""  # noqa: S608 our own column names


_DELETE = """
DELETE FROM task WHERE id = ANY($1::bigint[]) AND day BETWEEN $2 AND $3 RETURNING id, finished_ms IS NULL
"""


async def insert_rows(raw: Any, batches: Sequence[Sequence[TaskRow]]) -> list[dict[int, int]]:
    """Insert all batches; for each {id not inserted: id of the task that has its key}."""
    rows = [row for batch in batches for row in batch]
    if not rows:
        return [{} for _ in batches]
    status = await raw.execute(_INSERT, *columns(rows, len(_NEW)), today())
    if touched(status) == len(rows):
        return [{} for _ in batches]
    ticks = [(row.id, row.scheduled_ms, row.job_id, row.agent_id) for row in rows]
    holders = dict(await raw.fetch(_HOLDERS, *columns(ticks, len(_KEY))))
    return [{row.id: holders[row.id] for row in batch if row.id in holders} for batch in batches]


async def end_rows(raw: Any, which: str, ends: Sequence[tuple[FinishRow, ResultRow | None]]) -> list[object]:
    """End those rows that are as ``which`` says; whether each of the ends was taken. Of one task the first is."""
    first: dict[int, int] = {}
    for place, (row, _) in enumerate(ends):
        first.setdefault(row.id, place)
    rows = [ends[place][0] for place in first.values()]
    if not rows:
        return []
    days = [row.stored_ms // DAY_MS for row in rows]
    ended = await _update(raw, which, rows, (min(days) - 1, max(days) + 1))
    elsewhere = [row for row in rows if row.id not in ended]
    if elsewhere:
        ended |= await _update(raw, which, elsewhere, _ANY_DAY)
    taken = [first[row.id] == place and row.id in ended for place, (row, _) in enumerate(ends)]
    await _put_results(raw, [result for (_, result), is_taken in zip(ends, taken, strict=True) if is_taken and result])
    return list[object](taken)


async def _update(raw: Any, which: str, rows: Sequence[FinishRow], days: tuple[int, int]) -> set[int]:
    ended = await raw.fetch(f"{_UPDATE} {which} RETURNING task.id", *columns(rows, len(_END)), *days)
    return {row[0] for row in ended}


async def _put_results(raw: Any, results: Sequence[ResultRow]) -> None:
    if results:
        ids, *texts = columns(results, len(_TEXTS))
        await raw.execute(_PUT_RESULTS, ids, *([to_stored(text) for text in column] for column in texts))


async def delete_rows(raw: Any, ids: Sequence[int]) -> tuple[int, list[int]]:
    """Delete these rows and their results; how many there were, and the ids of those that were running."""
    if not ids:
        return 0, []
    deleted: dict[int, bool] = dict(await raw.fetch(_DELETE, ids, *await _days_between(raw, min(ids), max(ids))))
    elsewhere = [id_ for id_ in ids if id_ not in deleted]
    if elsewhere:
        deleted.update(await raw.fetch(_DELETE, elsewhere, *_ANY_DAY))
    await raw.execute("DELETE FROM task_result WHERE task_id = ANY($1::bigint[])", ids)
    return len(deleted), sorted(id_ for id_, was_running in deleted.items() if was_running)


async def _days_between(raw: Any, first: int, last: int) -> tuple[int, int]:
    """Where rows with ids between these two most likely are: ids are given out in the order of time."""
    days = [row[0] for row in await raw.fetch("SELECT day FROM task WHERE id IN ($1, $2)", first, last)]
    return (min(days) - 1, max(days) + 1) if days else (0, 0)
