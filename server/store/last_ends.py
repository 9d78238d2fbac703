"""
The last states of probes as SQL, for any SQLAlchemy dialect: what a server needs to know again when it starts.

Only the newest rows of a cell are looked at, through its index: a probe that was unknown for months costs no more than
any other.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, case, func, select, tuple_

from protocol.outcomes import Reason
from server.store.interface import JobName
from server.store.tables import agent, job, spec, task, task_result

_OUTCOME = case((task.c.success, 0), (task.c.reason < int(Reason.AGENT_OFFLINE), 1), else_=2)


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
    rank = func.row_number().over(
        partition_by=(task.c.job_id, task.c.agent_id, _OUTCOME), order_by=(task.c.finished_ms.desc(), task.c.id.desc())
    )
    ranked = (
        select(task.c.id, job.c.name, job.c.cell, rank.label("rank"))
        .select_from(job.join(task, task.c.id.in_(newest)))
        .where(tuple_(job.c.name, job.c.cell).in_(cells))
        .subquery()
    )
    return (
        select(
            ranked.c.name,
            ranked.c.cell,
            agent.c.uuid,
            spec.c.task,
            spec.c.target,
            task.c.scheduled_ms,
            task.c.finished_ms,
            task.c.reason,
            task.c.latency_ms,
            task.c.flags,
            task_result.c.detail,
        )
        .select_from(
            ranked.join(task, task.c.id == ranked.c.id)
            .join(agent, agent.c.id == task.c.agent_id)
            .join(spec, spec.c.id == task.c.spec_id)
            .outerjoin(task_result, task_result.c.task_id == task.c.id)
        )
        .where(ranked.c.rank == 1)
        .order_by(task.c.finished_ms.desc(), task.c.id.desc())
    )
