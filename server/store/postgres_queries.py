"""
Queries of tasks in the form that PostgreSQL has a good plan for; they find what those of ``queries`` find.

Rows are chosen whole, because an id would be looked for in every day again. A job is asked for by its cells' numbers,
each by itself: only then is it read in the order of its index, and no further than wanted. Where ids are given, only
the days that have them are read.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Select,
    Subquery,
    and_,
    any_,
    func,
    literal,
    literal_column,
    select,
    union_all,
)

from protocol.conditions import Condition, FromCron, newest_count
from server.store.queries import complete, matching, most
from server.store.tables import job, task

_DAY: ColumnElement[int] = literal_column("task.day", Integer)
_MOST_CELLS = 100
"""So many cells are asked for each by itself; more of them all at once."""


def select_cells(name: str) -> Select[Any]:
    """The numbers of a job's cells."""
    return select(job.c.id).where(job.c.name == name)


def select_tasks(chosen: Subquery, conditions: Sequence[Condition]) -> Select[Any]:
    """The rows that are chosen, complete with their names, in the query's order."""
    ascending = (chosen.c.half.desc(), chosen.c.finished_ms.asc(), chosen.c.id.asc())
    descending = (chosen.c.half.asc(), chosen.c.finished_ms.desc(), chosen.c.id.desc())
    order = descending if newest_count(conditions) is not None else ascending
    return complete(chosen, chosen).order_by(*order).limit(most(conditions))


def find_among(connection: Connection, ids: Sequence[int]) -> ColumnElement[bool]:
    """The condition of being among these ids, which knows the days when they all are where ids of their size are."""
    among = task.c.id == any_(literal(list(ids), ARRAY(BigInteger)))
    if not ids:
        return among
    ends = select(func.min(_DAY) - 1, func.max(_DAY) + 1).where(task.c.id.in_([min(ids), max(ids)]))
    near = and_(among, _DAY.between(*connection.execute(ends).one()))
    there = connection.scalar(select(func.count()).select_from(task).where(near))
    return near if there == len(set(ids)) else among


def chosen_rows(conditions: Sequence[Condition], where: ColumnElement[bool], cells: Sequence[int] | None) -> Subquery:
    """
    The rows of ``task`` that match, with their ``half``: 0 is finished, 1 is running.

    ``cells`` are those of the job that the conditions name, ``None`` when they name none.
    """
    if cells is None or len(cells) > _MOST_CELLS:
        return _halves([and_(where, matching(conditions))], conditions)
    rest = matching([condition for condition in conditions if not isinstance(condition, FromCron)])
    return _halves([and_(where, task.c.job_id == cell, rest) for cell in cells or [-1]], conditions)


def _halves(wheres: Sequence[ColumnElement[bool]], conditions: Sequence[Condition]) -> Subquery:
    newest = newest_count(conditions) is not None
    finished_order = (task.c.finished_ms.desc(), task.c.id.desc()) if newest else (task.c.finished_ms, task.c.id)
    running_order = (task.c.id.desc() if newest else task.c.id,)
    halves = [
        select(*task.c, literal(half).label("half")).where(ended, where).order_by(*order).limit(most(conditions))
        for half, ended, order in (
            (0, task.c.finished_ms.is_not(None), finished_order),
            (1, task.c.finished_ms.is_(None), running_order),
        )
        for where in wheres
    ]
    return union_all(*(select(half.subquery()) for half in halves)).subquery("chosen")
