"""What every store must count: against a model in plain Python, on random rows."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from random import Random
from typing import Any

import pytest

from protocol.conditions import Condition, FinishedBetween, FromCron, Limit, OfAgent, OfType, Succeeded
from protocol.outcomes import Outcome, Reason
from protocol.stats import PERCENTILES, Grouping, GroupStats
from server.rows import read_task_name
from server.store.interface import DEGRADED, MAINTENANCE, FinishTasks, InsertTasks, Store, StoredTask
from tests.contract.stores import AGENTS, JOBS, SPECS, every_store, finish_row, names, opener, task_row, write

GROUPINGS = [
    Grouping(),
    Grouping(cron_source=True),
    Grouping(agent=True, type=True),
    Grouping(bucket_ms=7),
    Grouping(cron_source=True, agent=True, type=True, bucket_ms=13),
    Grouping(cron_source=True, bucket_ms=13, cell=True),
    Grouping(reasons=True),
    Grouping(agent=True, bucket_ms=7, reasons=True),
]
CONDITIONS: list[list[Condition]] = [
    [],
    [FromCron("web")],
    [OfAgent(AGENTS[1]), FinishedBetween(5, 30)],
    [OfType("ping"), Succeeded(True)],
    [Succeeded(None)],
    [FromCron("nobody")],
]


async def fill(store: Store, rng: Random) -> list[StoredTask]:
    """Random rows: every outcome, some running, many with the same latency, some without one."""
    known = await names(store)
    ids = range(1, 201)
    rows = [
        task_row(
            id_,
            known,
            job_id=rng.choice([*(known.jobs[job] for job in JOBS), None]),
            spec_id=known.specs[rng.choice(SPECS)],
            agent_id=known.agents[rng.choice(AGENTS)],
        )
        for id_ in ids
    ]
    await write(store, InsertTasks(rows))
    reasons: list[int | None] = [None] * 6 + [int(reason) for reason in Reason]
    ended = []
    for id_ in ids:
        reason = rng.choice(reasons)
        latency_ms = rng.choice([None, 1.0, 2.5, rng.random() * 9])
        end = finish_row(id_, finished_ms=rng.randrange(40), success=reason is None, reason=reason)
        flags = rng.choice([0, DEGRADED, DEGRADED | MAINTENANCE])
        ended += [end._replace(latency_ms=latency_ms, flags=flags)] if rng.random() < 0.8 else []
    await write(store, FinishTasks(ended))
    return await store.select([Limit(10_000)])


def outcome(row: StoredTask) -> str:
    if row.finished_ms is None:
        return "running"
    return Outcome.OK if row.reason is None else Reason(row.reason).outcome


def model(rows: Sequence[StoredTask], by: Grouping) -> list[GroupStats]:
    """What should be counted, in the order of the keys; null stands first."""
    groups: dict[tuple[Any, ...], list[StoredTask]] = defaultdict(list)
    for row in rows:
        bucket = None
        if by.bucket_ms is not None and row.finished_ms is not None:
            bucket = row.finished_ms // by.bucket_ms * by.bucket_ms
        key = (
            row.cron_source if by.cron_source else None,
            row.agent_uuid if by.agent else None,
            row.agent_name if by.agent else None,
            read_task_name(row.spec) if by.type else None,
            bucket,
            row.cell if by.cell else None,
        )
        groups[key].append(row)
    order = sorted(groups, key=lambda key: [(part is not None, part) for part in key])
    return [_group(key, groups[key], by) for key in order]


def _group(key: tuple[Any, ...], rows: Sequence[StoredTask], by: Grouping) -> GroupStats:
    found = Counter(Reason(row.reason).word for row in rows if row.reason is not None)
    reasons = dict(found) if by.reasons else None
    counts = [sum(outcome(row) == word for row in rows) for word in ("running", "ok", "failed", "unknown")]
    counts.insert(2, sum(outcome(row) == "ok" and bool(row.flags & DEGRADED) for row in rows))
    latencies = sorted(row.latency_ms for row in rows if outcome(row) == "ok" and row.latency_ms is not None)
    if not latencies:
        return GroupStats(*key, len(rows), *counts, None, None, None, (None,) * len(PERCENTILES), reasons)
    mean_ms = sum(latencies) / len(latencies)
    percentiles = tuple(latencies[ceil(len(latencies) * percent / 100) - 1] for percent in PERCENTILES)
    return GroupStats(*key, len(rows), *counts, latencies[0], mean_ms, latencies[-1], percentiles, reasons)


def rounded(groups: Sequence[GroupStats]) -> list[tuple[Any, ...]]:
    """A mean may be added up in another order."""
    fields = [tuple(getattr(group, name) for name in group.__struct_fields__) for group in groups]
    return [tuple(round(value, 9) if isinstance(value, float) else value for value in group) for group in fields]


@every_store
@pytest.mark.parametrize("by", GROUPINGS, ids=repr)
async def test_groups_are_counted_as_the_model_counts_them(kind: str, tmp_path: Path, by: Grouping) -> None:
    async with opener(kind, tmp_path)() as store:
        await fill(store, Random(7))
        for conditions in CONDITIONS:
            rows = await store.select([*conditions, Limit(10_000)])
            assert rounded(await store.stats(conditions, by)) == rounded(model(rows, by)), conditions
