"""
Query conditions as SQL, for any SQLAlchemy dialect.

A query is two halves, the finished and the running, each in its index's order; running tasks stand where SQLite
puts null times: last when the newest come first, first when the oldest do.
"""

from collections.abc import Sequence
from typing import Any, assert_never

from sqlalchemy import ColumnElement, FromClause, Select, Subquery, and_, false, func, literal, select, true, union_all

from protocol.conditions import (
    BeforeId,
    Condition,
    FinishedBetween,
    FromCron,
    Last,
    Limit,
    OfAgent,
    OfType,
    Succeeded,
    TaskId,
    newest_count,
)
from protocol.outcomes import Reason
from protocol.tasks import TASK_TYPES
from server.store.tables import agent, job, spec, task, task_result

MOST_ROWS = 10_000
DEFAULT_ROWS = 1_000
NO_RESULT = int(Reason.NO_RESULT)
_I64_MAX = 2**63 - 1


def select_tasks(conditions: Sequence[Condition], among: Sequence[int] | None = None) -> Select[Any]:
    """The rows of a query, complete with their names, in its order; of those ``among``, ``None`` for all."""
    chosen = chosen_ids(conditions, among)
    newest = newest_count(conditions) is not None
    order = (
        (chosen.c.half.asc(), task.c.finished_ms.desc(), task.c.id.desc())
        if newest
        else (chosen.c.half.desc(), task.c.finished_ms.asc(), task.c.id.asc())
    )
    chosen_tasks = chosen.join(task, task.c.id == chosen.c.id)
    return complete(task, chosen_tasks).order_by(*order).limit(most(conditions))


def select_size(conditions: Sequence[Condition]) -> Select[Any]:
    """How many characters a query's results, messages and details have together."""
    return size_of(chosen_ids(conditions))


def size_of(chosen: Subquery) -> Select[Any]:
    """The same of rows that are chosen already."""
    texts = (task_result.c.error_message, task_result.c.result, task_result.c.detail)
    size = sum((func.coalesce(func.length(text), 0) for text in texts), literal(0))
    return select(func.coalesce(func.sum(size), 0)).select_from(
        chosen.join(task_result, task_result.c.task_id == chosen.c.id)
    )


def select_running() -> Select[Any]:
    """All running tasks, complete with their names, the oldest first."""
    return complete(task, task).where(task.c.finished_ms.is_(None)).order_by(task.c.id)


def complete(rows: FromClause, source: FromClause) -> Select[Any]:
    """Rows of ``task`` as a ``StoredTask`` has them; ``source`` is where they come from."""
    return select(
        rows.c.id,
        job.c.name,
        job.c.cell,
        agent.c.uuid,
        agent.c.name,
        spec.c.task,
        rows.c.scheduled_ms,
        rows.c.timeout_ms,
        rows.c.sent_ms,
        rows.c.started_ms,
        rows.c.finished_ms,
        rows.c.stored_ms,
        rows.c.success,
        rows.c.reason,
        rows.c.latency_ms,
        rows.c.token,
        rows.c.flags,
        task_result.c.error_message,
        task_result.c.result,
        task_result.c.detail,
        spec.c.expect,
        spec.c.target,
    ).select_from(
        source.join(agent, agent.c.id == rows.c.agent_id)
        .join(spec, spec.c.id == rows.c.spec_id)
        .outerjoin(job, job.c.id == rows.c.job_id)
        .outerjoin(task_result, task_result.c.task_id == rows.c.id)
    )


def select_doomed(conditions: Sequence[Condition], most_rows: int) -> Select[Any]:
    """The ids of the rows that a deletion means: what a query with these conditions would give, or all that match."""
    if newest_count(conditions) is None:
        return select(task.c.id).where(matching(conditions)).limit(most_rows)
    chosen = chosen_ids(conditions)
    newest = select(chosen.c.id).order_by(chosen.c.half)
    return select(newest.limit(most(conditions)).subquery())


def most(conditions: Sequence[Condition]) -> int:
    """How many rows a query gives at most."""
    newest = newest_count(conditions)
    return DEFAULT_ROWS if newest is None else min(newest, MOST_ROWS)


def chosen_ids(conditions: Sequence[Condition], among: Sequence[int] | None = None) -> Subquery:
    """The ids that match, as (id, half): half 0 is finished, 1 is running. Each half limited by itself."""
    where = matching(conditions) if among is None else and_(task.c.id.in_(among), matching(conditions))
    newest = newest_count(conditions) is not None
    finished_order = (task.c.finished_ms.desc(), task.c.id.desc()) if newest else (task.c.finished_ms, task.c.id)
    running_order = task.c.id.desc() if newest else task.c.id
    finished = (
        select(task.c.id, literal(0).label("half"))
        .where(task.c.finished_ms.is_not(None), where)
        .order_by(*finished_order)
        .limit(most(conditions))
        .subquery()
    )
    running = (
        select(task.c.id, literal(1).label("half"))
        .where(task.c.finished_ms.is_(None), where)
        .order_by(running_order)
        .limit(most(conditions))
        .subquery()
    )
    return union_all(select(finished), select(running)).subquery("chosen")


def matching(conditions: Sequence[Condition]) -> ColumnElement[bool]:
    """All conditions together; limits match everything."""
    return and_(true(), *(_clause(condition) for condition in conditions))


def _clause(condition: Condition) -> ColumnElement[bool]:
    match condition:
        case TaskId(value):
            return task.c.id == value if value <= _I64_MAX else false()
        case BeforeId(value):
            return task.c.id < value if value <= _I64_MAX else true()
        case OfAgent(uuid):
            return task.c.agent_id == select(agent.c.id).where(agent.c.uuid == uuid).scalar_subquery()
        case FinishedBetween(start_ms, end_ms):
            return and_(
                task.c.finished_ms.is_not(None),
                true() if start_ms is None else task.c.finished_ms >= start_ms,
                true() if end_ms is None else task.c.finished_ms <= end_ms,
            )
        case Succeeded(value):
            return task.c.success.is_(value)
        case OfType(name):
            return _of_type(name)
        case FromCron(name):
            return task.c.job_id.in_(select(job.c.id).where(job.c.name == name))
        case Limit() | Last():
            return true()
        case _:
            assert_never(condition)


def _of_type(name: str) -> ColumnElement[bool]:
    if name not in TASK_TYPES:
        return false()
    text = f'"{name}"' if TASK_TYPES[name].read_task is None else f'{{"{name}":'
    same_type = func.substr(spec.c.task, 1, len(text)) == text
    return task.c.spec_id.in_(select(spec.c.id).where(same_type))
