"""Ticks of jobs as SQL, for any SQLAlchemy dialect: the rows that have a scheduled time, newest first."""

from collections.abc import Sequence
from typing import Any, assert_never

from sqlalchemy import ColumnElement, Select, and_, case, false, not_, select, true

from protocol.crontab import DueBetween, HandedOver, Newest, OfJob, OfJobNamed, TickCondition, TickId
from protocol.outcomes import Reason
from server.store.tables import agent, job, task

_DEFAULT_ROWS = 1_000
_MOST_ROWS = 10_000

# What ended before anybody was asked: the agent was away, or there was trouble of ours before it was sent.
_STILLBORN = and_(
    task.c.finished_ms.is_not(None),
    task.c.sent_ms.is_(None),
    task.c.reason.in_([int(Reason.AGENT_OFFLINE), int(Reason.INTERNAL)]),
)


def select_ticks(conditions: Sequence[TickCondition]) -> Select[Any]:
    """(id, job's id and name, agent's UUID, scheduled time, whether it was handed over) of the ticks that match."""
    was_handed_over = case((_STILLBORN, false()), else_=true())
    return (
        select(task.c.id, job.c.id, job.c.name, agent.c.uuid, task.c.scheduled_ms, was_handed_over)
        .select_from(task.join(job, job.c.id == task.c.job_id).join(agent, agent.c.id == task.c.agent_id))
        .where(task.c.scheduled_ms.is_not(None), *map(_clause, conditions))
        .order_by(task.c.scheduled_ms.desc(), task.c.id.desc())
        .limit(_most(conditions))
    )


def select_last_runs(names: Sequence[str]) -> Select[Any]:
    """(name, scheduled time of the tick that ended last) of each job's cell; the time is ``None`` before its first."""
    newest = (
        select(task.c.scheduled_ms)
        .where(task.c.job_id == job.c.id, task.c.finished_ms.is_not(None))
        .order_by(task.c.finished_ms.desc())
        .limit(1)
        .correlate(job)
        .scalar_subquery()
    )
    return select(job.c.name, newest).where(job.c.name.in_(names))


def _most(conditions: Sequence[TickCondition]) -> int:
    counts = [condition.count for condition in conditions if isinstance(condition, Newest)]
    return min(counts[-1], _MOST_ROWS) if counts else _DEFAULT_ROWS


def _clause(condition: TickCondition) -> ColumnElement[bool]:
    match condition:
        case TickId(value):
            return task.c.id == value
        case OfJob(value):
            return task.c.job_id == value
        case OfJobNamed(name):
            return task.c.job_id.in_(select(job.c.id).where(job.c.name == name))
        case DueBetween(start_ms, end_ms):
            return and_(
                true() if start_ms is None else task.c.scheduled_ms >= start_ms,
                true() if end_ms is None else task.c.scheduled_ms <= end_ms,
            )
        case HandedOver(value):
            return not_(_STILLBORN) if value else _STILLBORN
        case Newest():
            return true()
        case _:
            assert_never(condition)
