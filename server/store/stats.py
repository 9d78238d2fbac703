"""
Statistics over rows as SQL, for any SQLAlchemy dialect: one pass that counts, and ranks latencies within each group.

A percentile is by nearest rank: of n latencies in order, the one at place ceil(n * p / 100).
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, null, select

from protocol.conditions import Condition
from protocol.outcomes import Reason
from protocol.stats import MOST_GROUPS, PERCENTILES, Grouping, GroupStats
from protocol.tasks import TASK_TYPES
from server.store.interface import DEGRADED
from server.store.queries import matching
from server.store.tables import agent, job, spec, task

_KEYS_AND_COUNTS = GroupStats.__struct_fields__.index("percentiles_ms")
_FIRST_UNKNOWN = int(Reason.AGENT_OFFLINE)


def select_stats(conditions: Sequence[Condition], by: Grouping) -> Select[Any]:
    """
    Rows for ``read_group``: cron_source, agent's UUID and name, type, bucket, cell, count, running, ok, degraded,
    failed, unknown, the least, mean and largest latency, the percentiles, and where asked for the count of each reason.
    """
    rows = _rows(conditions, by).subquery("rows")
    keys = [rows.c[name] for name in _NAMES]
    ranks = [(rows.c.latencies * percent + 99) / 100 for percent in PERCENTILES]
    reasons = [_count(rows.c.reason == int(reason)) for reason in Reason] if by.reasons else []
    ranked = [func.max(case((rows.c.place == func.floor(rank), rows.c.latency))) for rank in ranks]
    return (
        select(
            *keys,
            func.count(),
            *(func.sum(rows.c[name]) for name in ("running", "ok", "degraded", "failed", "unknown")),
            func.min(rows.c.latency),
            func.avg(rows.c.latency),
            func.max(rows.c.latency),
            *ranked,
            *reasons,
        )
        .group_by(*keys)
        .order_by(*(key.nulls_first() for key in keys))
        .limit(MOST_GROUPS + 1)
    )


def read_group(row: Sequence[Any], by: Grouping) -> GroupStats:
    """A row of ``select_stats`` as what it says."""
    keys_and_counts, rest = row[:_KEYS_AND_COUNTS], row[_KEYS_AND_COUNTS:]
    percentiles, counts = rest[: len(PERCENTILES)], rest[len(PERCENTILES) :]
    reasons = {reason.word: count for reason, count in zip(Reason, counts, strict=False) if count}
    return GroupStats(*[*keys_and_counts, tuple(percentiles), reasons if by.reasons else None])


def _rows(conditions: Sequence[Condition], by: Grouping) -> Select[Any]:
    """Each row that matches, with its group and its latency's place in it."""
    finished, ended_well = task.c.finished_ms.is_not(None), task.c.reason.is_(None)
    ok = and_(finished, ended_well, task.c.success)
    latency = case((ok, task.c.latency_ms))
    group = _group(by)
    # The same order for both, so that one sort serves them.
    order = (latency.is_(None), latency)
    place = func.row_number().over(partition_by=group, order_by=order)
    latencies = func.count(latency).over(partition_by=group, order_by=order, rows=(None, None))
    return (
        select(
            *(column.label(name) for name, column in zip(_NAMES, group, strict=True)),
            _one_if(~finished).label("running"),
            _one_if(ok).label("ok"),
            _one_if(and_(ok, task.c.flags.op("&")(DEGRADED) != 0)).label("degraded"),
            _one_if(and_(finished, ~ok, func.coalesce(task.c.reason, 0) < _FIRST_UNKNOWN)).label("failed"),
            _one_if(and_(finished, task.c.reason >= _FIRST_UNKNOWN)).label("unknown"),
            task.c.reason.label("reason"),
            latency.label("latency"),
            place.label("place"),
            latencies.label("latencies"),
        )
        .select_from(
            task.join(agent, agent.c.id == task.c.agent_id)
            .join(spec, spec.c.id == task.c.spec_id)
            .outerjoin(job, job.c.id == task.c.job_id)
        )
        .where(matching(conditions))
    )


_NAMES = ("cron_source", "agent_uuid", "agent_name", "type", "bucket", "cell")


def _group(by: Grouping) -> list[ColumnElement[Any]]:
    bucket = null() if by.bucket_ms is None else task.c.finished_ms - task.c.finished_ms % by.bucket_ms
    return [
        job.c.name if by.cron_source else null(),
        agent.c.uuid if by.agent else null(),
        agent.c.name if by.agent else null(),
        _type() if by.type else null(),
        bucket,
        job.c.cell if by.cell else null(),
    ]


def _type() -> ColumnElement[str]:
    """The type's name of the task object's JSON."""
    starts = {
        name: f'"{name}"' if task_type.read_task is None else f'{{"{name}":' for name, task_type in TASK_TYPES.items()
    }
    return case(*((func.substr(spec.c.task, 1, len(text)) == text, literal(name)) for name, text in starts.items()))


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(_one_if(condition))


def _one_if(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, 1), else_=0)
