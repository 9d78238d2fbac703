"""Ticks of jobs as SQL, for any SQLAlchemy dialect: the rows that have a scheduled time, newest first."""

from collections.abc import Sequence
from typing import Any, assert_never

from sqlalchemy import BigInteger, ColumnElement, Select, and_, case, false, func, literal, not_, select, true

from protocol.crontab import DueBetween, HandedOver, Newest, OfJob, OfJobNamed, TickCondition, TickId
from protocol.outcomes import Reason
from server.store.tables import agent, gap, job, task

_DEFAULT_ROWS = 1_000
_MOST_ROWS = 10_000
MOST_GAPS = 10_000
_RECENT_MS = 600_000

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


def select_newest(before_ms: int) -> Select[Any]:
    """When the newest tick of all before ``before_ms`` was due."""
    return select(func.max(task.c.scheduled_ms)).where(task.c.scheduled_ms < before_ms)


def select_last_ticks(newest_ms: int, before_ms: int) -> list[Select[Any]]:
    """
    (name, scheduled time) of jobs' ticks before ``before_ms``; the greatest of a job is its last one.

    Jobs that are due often are found among the ticks right before the newest, in their index's order; the others by the
    few of theirs that ended last: they have none that are still under way beside newer ones.
    """
    recent = (
        select(task.c.job_id, func.max(task.c.scheduled_ms).label("due_ms"))
        .where(task.c.scheduled_ms >= newest_ms - _RECENT_MS, task.c.scheduled_ms < before_ms)
        .group_by(task.c.job_id)
        .subquery()
    )
    ended = (
        select(task.c.scheduled_ms)
        .where(task.c.job_id == job.c.id, task.c.finished_ms.is_not(None), task.c.scheduled_ms < before_ms)
        .order_by(task.c.finished_ms.desc())
        .limit(1)
        .correlate(job)
        .scalar_subquery()
    )
    return [
        select(job.c.name, recent.c.due_ms).select_from(recent.join(job, job.c.id == recent.c.job_id)),
        select(job.c.name, ended).where(ended.is_not(None)),
    ]


def select_gaps(since_ms: int) -> Select[Any]:
    """Gaps that end at ``since_ms`` or later, newest first."""
    columns = (gap.c.name, gap.c.from_ms, gap.c.to_ms, gap.c.ticks)
    return select(*columns).where(gap.c.to_ms >= since_ms).order_by(gap.c.from_ms.desc(), gap.c.name)


def _most(conditions: Sequence[TickCondition]) -> int:
    counts = [condition.count for condition in conditions if isinstance(condition, Newest)]
    return min(counts[-1], _MOST_ROWS) if counts else _DEFAULT_ROWS


def _clause(condition: TickCondition) -> ColumnElement[bool]:
    match condition:
        case TickId(value):
            return task.c.id == value
        case OfJob(value):
            return task.c.job_id == literal(value, BigInteger)
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
