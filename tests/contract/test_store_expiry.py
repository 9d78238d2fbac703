"""What every store must do with rows whose time is over."""

from pathlib import Path

from protocol.conditions import Limit
from server.store.interface import DeleteGaps, DeleteIds, FinishTasks, GapRow, InsertTasks, RecordGaps, ResultRow, Store
from tests.contract.stores import JOBS, every_store, finish_row, names, opener, task_row, write

FOREVER: dict[str, int] = {}


async def fill(store: Store) -> None:
    """Of web 1 to 3, of its cell 4 and 5, of edge 6 to 8, by hand 9; each ended at its id. 10 of web still runs."""
    known = await names(store)
    jobs = [JOBS[0], JOBS[0], JOBS[0], JOBS[1], JOBS[1], JOBS[2], JOBS[2], JOBS[2], None, JOBS[0]]
    rows = [
        task_row(id_, known, job_id=None if job is None else known.jobs[job], scheduled_ms=None if job is None else id_)
        for id_, job in enumerate(jobs, 1)
    ]
    await write(store, InsertTasks(rows))
    ends = [finish_row(id_, finished_ms=id_) for id_ in range(1, 10)]
    await write(store, FinishTasks(ends, [ResultRow(id_, None, "1", None) for id_ in range(1, 10)]))


@every_store
async def test_rows_are_over_by_their_jobs_time_or_that_of_all_others(kind: str, tmp_path: Path) -> None:
    async with opener(kind, tmp_path)() as store:
        await fill(store)
        assert await store.expired({"web": 100}, None, 100) == [1, 2, 4]
        assert await store.expired({"web": 2}, 100, 100) == [1, 6, 7, 9]
        assert await store.expired(FOREVER, None, 100) == []


@every_store
async def test_the_newest_end_of_each_cell_is_never_over(kind: str, tmp_path: Path) -> None:
    async with opener(kind, tmp_path)() as store:
        await fill(store)
        assert set(await store.expired(FOREVER, 100, 100)).isdisjoint({3, 5, 8, 10})


@every_store
async def test_no_more_rows_than_wanted_are_found(kind: str, tmp_path: Path) -> None:
    async with opener(kind, tmp_path)() as store:
        await fill(store)
        assert await store.expired(FOREVER, 100, 3) == [1, 2, 4]
        assert await store.expired(FOREVER, 100, 5) == [1, 2, 4, 6, 7]


@every_store
async def test_rows_are_deleted_with_what_they_found_and_counted(kind: str, tmp_path: Path) -> None:
    async with opener(kind, tmp_path)() as store:
        await fill(store)
        assert await write(store, DeleteIds([1, 2, 4, 99])) == 3
        assert {row.id for row in await store.select([Limit(100)])} == {3, 5, 6, 7, 8, 9, 10}
        assert await store.expired({"web": 100}, None, 100) == []


@every_store
async def test_gaps_are_deleted_that_ended_before(kind: str, tmp_path: Path) -> None:
    async with opener(kind, tmp_path)() as store:
        await write(store, RecordGaps([GapRow("web", 10, 20, 2), GapRow("web", 30, 40, 2)]))
        assert await write(store, DeleteGaps(21)) == 1
        assert await store.gaps(["web"], 0) == [GapRow("web", 30, 40, 2)]
