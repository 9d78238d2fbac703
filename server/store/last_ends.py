"""
The last states of probes as SQL, for any SQLAlchemy dialect: what a server needs to know again when it starts.

Only the newest rows of a cell are looked at, through its index: a probe that was unknown for months costs no more than
any other.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, case, func, select, tuple_

from protocol.outcomes import Reason
from server.store.interface import JobName
from server.store.tables import agent, job, spec, task, task_result


def select_last_ends(cells: Sequence[JobName], most_rows: int) -> Select[Any]:
    """The columns of ``LastEnd``: for each agent and outcome the row that ended last among so many of each cell."""
    of_cell = task.alias("of_cell")
    newest = (
        select(of_cell.c.id)
        .where(of_cell.c.job_id == job.c.id, of_cell.c.finished_ms.is_not(None))
        .order_by(of_cell.c.finished_ms.desc())
        .limit(most_rows)
        .correlate(job)
    )
    ranked = (
        select(task.c.id, job.c.name, job.c.cell, rank(task))
        .select_from(job.join(task, task.c.id.in_(newest)))
        .where(tuple_(job.c.name, job.c.cell).in_(cells))
        .subquery()
    )
    return complete(ranked, task, ranked.join(task, task.c.id == ranked.c.id))


def rank(rows: FromClause) -> ColumnElement[int]:
    """The place of each row of ``task`` among those of its cell, agent and outcome, as ``rank``; 1 ended last."""
    outcome = case((rows.c.success, 0), (rows.c.reason < int(Reason.AGENT_OFFLINE), 1), else_=2)
    probe = (rows.c.job_id, rows.c.agent_id, outcome)
    newest_first = (rows.c.finished_ms.desc(), rows.c.id.desc())
    return func.row_number().over(partition_by=probe, order_by=newest_first).label("rank")


def complete(ranked: FromClause, rows: FromClause, source: FromClause) -> Select[Any]:
    """
    The columns of ``LastEnd`` of those that ``ranked`` has first, newest first.

    ``rows`` has the columns of ``task``, ``source`` has both.
    """
    return (
        select(
            ranked.c.name,
            ranked.c.cell,
            agent.c.uuid,
            spec.c.task,
            spec.c.target,
            rows.c.scheduled_ms,
            rows.c.finished_ms,
            rows.c.reason,
            rows.c.latency_ms,
            rows.c.flags,
            task_result.c.detail,
        )
        .select_from(
            source.join(agent, agent.c.id == rows.c.agent_id)
            .join(spec, spec.c.id == rows.c.spec_id)
            .outerjoin(task_result, task_result.c.task_id == rows.c.id)
        )
        .where(ranked.c.rank == 1)
        .order_by(rows.c.finished_ms.desc(), rows.c.id.desc())
    )
