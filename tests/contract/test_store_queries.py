"""What every store must find: each condition, the orders and the limits, against a model in plain Python."""

import json
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from random import Random
from typing import assert_never

import pytest

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
)
from server.store.interface import FinishTasks, InsertTasks, Store, StoredTask
from tests.contract.stores import AGENTS, JOBS, SPECS, every_store, finish_row, names, opener, task_row, write

U64_MAX = 2**64 - 1


def matches(row: StoredTask, condition: Condition) -> bool:
    match condition:
        case TaskId(value):
            return row.id == value
        case BeforeId(value):
            return row.id < value
        case OfAgent(uuid):
            return row.agent_uuid == uuid
        case FinishedBetween(start_ms, end_ms):
            at = row.finished_ms
            return at is not None and (start_ms is None or start_ms <= at) and (end_ms is None or at <= end_ms)
        case Succeeded(value):
            return row.success is value
        case OfType(name):
            task = json.loads(row.spec)
            return name == (task if isinstance(task, str) else next(iter(task)))
        case FromCron(name):
            return row.cron_source == name
        case Limit() | Last():
            return True
        case _:
            assert_never(condition)


def model(rows: Sequence[StoredTask], conditions: Sequence[Condition]) -> list[int]:
    """The ids that a query should find, in its order: without a time a row is older than any other."""
    found = [row for row in rows if all(matches(row, condition) for condition in conditions)]
    found.sort(key=lambda row: (row.finished_ms is not None, row.finished_ms or 0, row.id))

    def last_one(count: int | None, condition: Condition) -> int | None:
        return condition.count if isinstance(condition, Limit) else count

    newest = 1 if Last() in conditions else reduce(last_one, conditions, None)
    if newest is None:
        return [row.id for row in found[:1_000]]
    return [row.id for row in reversed(found)][: min(newest, 10_000)]


async def fill(store: Store, count: int, rng: Random) -> list[StoredTask]:
    """Random rows: a third of them running, many with the same time."""
    known = await names(store)
    rows = [
        task_row(
            id_,
            known,
            job_id=rng.choice([*(known.jobs[job] for job in JOBS), None]),
            spec_id=known.specs[rng.choice(SPECS)],
            agent_id=known.agents[rng.choice(AGENTS)],
        )
        for id_ in range(1, count + 1)
    ]
    await write(store, InsertTasks(rows))
    ended = [
        finish_row(id_, finished_ms=rng.randrange(-3, 40), success=rng.random() < 0.6)
        for id_ in range(1, count + 1)
        if rng.random() < 0.67
    ]
    await write(store, FinishTasks(ended))
    return await store.select([Limit(10_000)])


def random_condition(rng: Random) -> Condition:
    moment = rng.randrange(-5, 45)
    return rng.choice(
        [
            TaskId(rng.randrange(130)),
            BeforeId(rng.choice([rng.randrange(130), U64_MAX])),
            OfAgent(rng.choice([*AGENTS, "00000000-0000-0000-0000-000000000000"])),
            FinishedBetween(moment, moment + rng.randrange(-1, 20)),
            FinishedBetween(moment, None),
            FinishedBetween(None, moment),
            Succeeded(rng.choice([True, False, None])),
            OfType(rng.choice(["ping", "tcp_ping", "ip", "http_ping", "url", "execute", ""])),
            FromCron(rng.choice(["web", "edge", "we", "%"])),
            Limit(rng.choice([0, 1, 7, 500, U64_MAX])),
            Last(),
        ]
    )


@every_store
@pytest.mark.parametrize("seed", range(4))
async def test_any_conditions_find_what_the_model_finds(kind: str, tmp_path: Path, seed: int) -> None:
    rng = Random(seed)
    async with opener(kind, tmp_path)() as store:
        rows = await fill(store, 120, rng)
        assert len(rows) == 120
        for _ in range(120):
            conditions = [random_condition(rng) for _ in range(rng.randrange(4))]
            assert [row.id for row in await store.select(conditions)] == model(rows, conditions), conditions


@every_store
@pytest.mark.parametrize(
    "condition",
    [
        TaskId(60),
        TaskId(U64_MAX),
        BeforeId(60),
        BeforeId(U64_MAX),
        OfAgent(AGENTS[0]),
        FinishedBetween(3, 20),
        FinishedBetween(20, None),
        FinishedBetween(None, 20),
        FinishedBetween(-(2**63), 2**63 - 1),
        Succeeded(True),
        Succeeded(False),
        Succeeded(None),
        OfType("ping"),
        OfType("ip"),
        OfType("url"),
        FromCron("web"),
        Limit(5),
        Last(),
    ],
    ids=repr,
)
async def test_each_condition_by_itself_finds_what_the_model_finds(
    kind: str, tmp_path: Path, condition: Condition
) -> None:
    async with opener(kind, tmp_path)() as store:
        rows = await fill(store, 120, Random(99))
        assert [row.id for row in await store.select([condition])] == model(rows, [condition])


@every_store
async def test_running_rows_stand_where_sqlite_puts_nulls(kind: str, tmp_path: Path) -> None:
    async with opener(kind, tmp_path)() as store:
        known = await names(store)
        await write(store, InsertTasks([task_row(id_, known) for id_ in (1, 2, 3, 4, 5)]))
        await write(store, FinishTasks([finish_row(4, finished_ms=-7), finish_row(2, finished_ms=-7), finish_row(3)]))
        assert [row.id for row in await store.select([])] == [1, 5, 2, 4, 3]
        assert [row.id for row in await store.select([Limit(9)])] == [3, 4, 2, 5, 1]
        assert [row.id for row in await store.select([Last()])] == [3]


@every_store
async def test_last_beats_limits_and_the_last_limit_counts(kind: str, tmp_path: Path) -> None:
    async with opener(kind, tmp_path)() as store:
        known = await names(store)
        await write(store, InsertTasks([task_row(id_, known) for id_ in range(1, 10)]))
        assert [row.id for row in await store.select([Last(), Limit(5)])] == [9]
        assert [row.id for row in await store.select([Limit(5), Limit(2)])] == [9, 8]
        assert await store.select([Limit(0)]) == []
        assert len(await store.select([Limit(0), Last()])) == 1


@every_store
async def test_without_a_limit_the_oldest_thousand_and_with_one_ten_thousand_at_most(kind: str, tmp_path: Path) -> None:
    async with opener(kind, tmp_path)() as store:
        known = await names(store)
        ids = range(1, 10_102)
        await write(store, InsertTasks([task_row(id_, known) for id_ in ids]))
        await write(store, FinishTasks([finish_row(id_, finished_ms=id_) for id_ in ids]))
        assert [row.id for row in await store.select([])] == list(range(1, 1_001))
        assert [row.id for row in await store.select([Limit(U64_MAX)])] == list(range(10_101, 101, -1))
        assert [row.id for row in await store.select([Limit(3), BeforeId(102)])] == [101, 100, 99]
