"""What every store must know of the last ends of probes."""

from pathlib import Path
from typing import Any

import pytest

from protocol.outcomes import Reason
from server.store.interface import MAINTENANCE, FinishTasks, InsertTasks, LastEnd, Names, ResultRow, Store
from tests.contract.stores import AGENTS, JOBS, SPECS, every_store, finish_row, names, opener, task_row, write

FAILED = {"success": False, "reason": int(Reason.TIMEOUT), "latency_ms": None}
UNKNOWN = {"success": False, "reason": int(Reason.NO_RESULT), "latency_ms": None}


async def end(store: Store, known: Names, id_: int, agent: int = 0, job: int = 0, **columns: Any) -> None:
    """A task of the job on the agent that ended at ``1,000 + id_``."""
    row = task_row(id_, known, agent_id=known.agents[AGENTS[agent]], job_id=known.jobs[JOBS[job]])
    await write(store, InsertTasks([row]))
    results = [ResultRow(id_, None, None, f'{{"n":{id_}}}')] if "detail" in columns else []
    columns.pop("detail", None)
    await write(store, FinishTasks([finish_row(id_, finished_ms=1_000 + id_, **columns)], results))


@every_store
async def test_the_newest_of_each_agent_and_outcome_is_found(kind: str, tmp_path: Path) -> None:
    async with opener(kind, tmp_path)() as store:
        known = await names(store)
        await write(store, InsertTasks([task_row(99, known)]))  # it still runs
        await end(store, known, 1, latency_ms=1.0)
        await end(store, known, 2, latency_ms=2.0, detail=True)
        await end(store, known, 3, **FAILED, flags=MAINTENANCE)
        await end(store, known, 4, **UNKNOWN)
        await end(store, known, 5, agent=1, latency_ms=5.0)
        await end(store, known, 6, job=1, latency_ms=6.0)
        found = await store.last_ends([JOBS[0], JOBS[2]], 100)
    of_probe = (JOBS[0].name, JOBS[0].cell, AGENTS[0], SPECS[0].task, None)
    assert found == [
        LastEnd(*of_probe[:2], AGENTS[1], *of_probe[3:], 1_000_005, 1_005, None, 5.0, 0, None),
        LastEnd(*of_probe, 1_000_004, 1_004, int(Reason.NO_RESULT), None, 0, None),
        LastEnd(*of_probe, 1_000_003, 1_003, int(Reason.TIMEOUT), None, MAINTENANCE, None),
        LastEnd(*of_probe, 1_000_002, 1_002, None, 2.0, 0, '{"n":2}'),
    ]


@every_store
@pytest.mark.parametrize(("most", "found"), [(1, [1_003]), (2, [1_003]), (3, [1_003, 1_001])])
async def test_only_so_many_rows_of_a_cell_are_looked_at(
    kind: str, tmp_path: Path, most: int, found: list[int]
) -> None:
    async with opener(kind, tmp_path)() as store:
        known = await names(store)
        await end(store, known, 1)
        for id_ in (2, 3):
            await end(store, known, id_, **UNKNOWN)
        assert [row.finished_ms for row in await store.last_ends([JOBS[0]], most)] == found


@every_store
async def test_there_may_be_none(kind: str, tmp_path: Path) -> None:
    async with opener(kind, tmp_path)() as store:
        await names(store)
        assert await store.last_ends(JOBS, 10) == []
