"""What every store must do with changes."""

import asyncio
from pathlib import Path

import pytest

from protocol.conditions import FromCron, Last, Limit, OfAgent, Succeeded, TaskId
from protocol.crontab import OfJob, OfJobNamed
from protocol.errors import StartError, StoreFailed
from server.store.interface import (
    LATE,
    DeleteTasks,
    DeleteToken,
    FinishTasks,
    InsertTasks,
    InternNames,
    JobName,
    PutSetting,
    PutToken,
    ReplaceLate,
    ReserveIds,
    ResultRow,
    Spec,
)
from tests.contract.stores import (
    AGENTS,
    JOBS,
    NO_RESULT,
    SPECS,
    TOKEN,
    every_store,
    finish_row,
    names,
    opener,
    task_row,
    write,
)


@every_store
async def test_reserved_ids_never_repeat_over_a_reopen(kind: str, tmp_path: Path) -> None:
    open_ = opener(kind, tmp_path)
    async with open_() as store:
        first = await write(store, ReserveIds(10))
        second = await write(store, ReserveIds(5))
    async with open_() as store:
        third = await write(store, ReserveIds(1))
    assert first >= 1
    assert (second, third) == (first + 10, first + 15)


@every_store
async def test_reserved_ids_never_repeat_when_rows_are_deleted(kind: str, tmp_path: Path) -> None:
    async with opener(kind, tmp_path)() as store:
        known = await names(store)
        first = await write(store, ReserveIds(1))
        await write(store, InsertTasks([task_row(first, known)]))
        await write(store, DeleteTasks((), 10_000))
        assert await write(store, ReserveIds(1)) == first + 1


@every_store
async def test_a_new_task_is_found_with_its_names(kind: str, tmp_path: Path) -> None:
    open_ = opener(kind, tmp_path)
    async with open_() as store:
        known = await names(store)
        await write(store, InternNames(agents={AGENTS[0]: "fra-1"}))
        assert await write(store, InsertTasks([task_row(7, known, job_id=known.jobs[JOBS[1]])])) == {}
    async with open_() as store:
        [row] = await store.select([])
        assert [row] == await store.running()
    assert (row.id, row.cron_source, row.cell) == (7, "web", "target=a")
    assert (row.agent_uuid, row.agent_name, row.spec) == (AGENTS[0], "fra-1", SPECS[0].task)
    assert (row.scheduled_ms, row.timeout_ms, row.token) == (1_000_007, 5_000, "0123456789")
    assert (row.sent_ms, row.finished_ms, row.stored_ms, row.success, row.reason) == (None,) * 5
    assert (row.latency_ms, row.flags, row.error_message, row.result, row.detail) == (None, 0, None, None, None)


@every_store
async def test_a_task_without_a_job_has_no_cron_source(kind: str, tmp_path: Path) -> None:
    async with opener(kind, tmp_path)() as store:
        await write(store, InsertTasks([task_row(1, await names(store), job_id=None, scheduled_ms=None)]))
        [row] = await store.select([])
    assert (row.cron_source, row.cell, row.scheduled_ms) == (None, None, None)


@every_store
async def test_a_finished_task_keeps_what_was_found(kind: str, tmp_path: Path) -> None:
    result = ResultRow(1, "message", '{"ip":[null,null]}', '{"connect_ms":1.5}')
    async with opener(kind, tmp_path)() as store:
        await write(store, InsertTasks([task_row(1, await names(store))]))
        await write(store, FinishTasks([finish_row(1)], [result]))
        [row] = await store.select([])
        assert await store.running() == []
    assert (row.sent_ms, row.started_ms, row.finished_ms, row.stored_ms) == (10, 11, 12, 13)
    assert (row.success, row.reason, row.latency_ms, row.flags) == (True, None, 1.5, 0)
    assert (row.error_message, row.result, row.detail) == result[1:]


@every_store
async def test_any_text_of_a_target_is_kept_to_the_letter(kind: str, tmp_path: Path) -> None:
    texts = ["a\0b", "\0", "\x10", "\x100", "\x10\x10\0\x100", "\x10\0", "\U0001f600 é\r\n\t", "", '"\\u0000"']
    async with opener(kind, tmp_path)() as store:
        known = await names(store)
        ids = range(len(texts))
        await write(store, InsertTasks([task_row(id_, known) for id_ in ids]))
        await write(
            store, FinishTasks([finish_row(id_) for id_ in ids], [ResultRow(id_, *[texts[id_]] * 3) for id_ in ids])
        )
        for row in await store.select([]):
            assert (row.error_message, row.result, row.detail) == (texts[row.id],) * 3


@every_store
async def test_names_and_conditions_may_hold_anything(kind: str, tmp_path: Path) -> None:
    odd = "a\0\x10b"
    async with opener(kind, tmp_path)() as store:
        spec = Spec('{"ping":"a"}', None, None, odd)
        known = await write(store, InternNames((JobName(odd, odd),), {AGENTS[0]: odd}, (spec,)))
        numbers = (known.jobs[JobName(odd, odd)], known.agents[AGENTS[0]], known.specs[spec])
        job_id, agent_id, spec_id = numbers
        row = task_row(1, await names(store), job_id=job_id, agent_id=agent_id, spec_id=spec_id)
        await write(store, InsertTasks([row]))
        await write(store, PutSetting(odd, odd))
        [found] = await store.select([FromCron(odd), OfAgent(AGENTS[0])])
        assert (found.cron_source, found.cell, found.agent_name, found.target) == (odd, odd, odd, odd)
        assert await store.select([FromCron("a\0")]) == await store.select([OfAgent("\0")]) == []
        assert await store.ticks([OfJobNamed(odd), OfJob(2**40)]) == []
        assert await store.setting(odd, "default") == odd
        assert await store.last_ticks([odd], 2**40) == {odd: row.scheduled_ms}


@every_store
async def test_a_task_that_ended_is_not_finished_again(kind: str, tmp_path: Path) -> None:
    async with opener(kind, tmp_path)() as store:
        await write(store, InsertTasks([task_row(1, await names(store))]))
        await write(store, FinishTasks([finish_row(1, **NO_RESULT)]))
        await write(store, FinishTasks([finish_row(1), finish_row(2)]))
        [row] = await store.select([])
    assert row.success is False


@every_store
async def test_many_rows_in_one_change_all_arrive(kind: str, tmp_path: Path) -> None:
    async with opener(kind, tmp_path)() as store:
        known = await names(store)
        ids = range(1, 1_182)
        await write(store, InsertTasks([task_row(id_, known) for id_ in ids]))
        await write(
            store,
            FinishTasks(
                [finish_row(id_, finished_ms=id_, latency_ms=id_ / 4) for id_ in ids],
                [ResultRow(id_, f"m{id_}", None, None) for id_ in ids],
            ),
        )
        rows = await store.select([Limit(2_000)])
    assert [row.id for row in rows] == list(reversed(ids))
    assert all((row.latency_ms, row.error_message) == (row.id / 4, f"m{row.id}") for row in rows)


@every_store
async def test_a_late_result_replaces_no_result_alone(kind: str, tmp_path: Path) -> None:
    async with opener(kind, tmp_path)() as store:
        known = await names(store)
        await write(store, InsertTasks([task_row(id_, known) for id_ in (1, 2, 3)]))
        await write(store, FinishTasks([finish_row(1, **NO_RESULT), finish_row(2, finished_ms=5)]))
        late = [ReplaceLate(finish_row(id_, flags=LATE), ResultRow(id_, "late", None, None)) for id_ in (1, 2, 3, 1)]
        assert await store.write(late) == [True, False, False, False]
        rows = {row.id: row for row in await store.select([])}
    assert (rows[1].success, rows[1].flags, rows[1].error_message) == (True, LATE, "late")
    assert (rows[2].finished_ms, rows[2].flags, rows[2].error_message) == (5, 0, None)
    assert rows[3].finished_ms is None


@every_store
async def test_a_tick_is_inserted_once(kind: str, tmp_path: Path) -> None:
    open_ = opener(kind, tmp_path)
    async with open_() as store:
        known = await names(store)
        tick = task_row(1, known, scheduled_ms=5)
        others = [
            tick._replace(id=2, scheduled_ms=6),
            tick._replace(id=3, job_id=known.jobs[JOBS[1]]),
            tick._replace(id=4, agent_id=known.agents[AGENTS[1]]),
        ]
        assert await write(store, InsertTasks([tick, *others])) == {}
        again = [tick._replace(id=5), task_row(6, known, scheduled_ms=7), task_row(7, known, scheduled_ms=7)]
        assert await write(store, InsertTasks(again)) == {5: 1, 7: 6}
    async with open_() as store:
        assert await write(store, InsertTasks([tick._replace(id=8)])) == {8: 1}
        assert [row.id for row in await store.select([])] == [1, 2, 3, 4, 6]


@every_store
async def test_tasks_without_a_tick_have_no_key(kind: str, tmp_path: Path) -> None:
    async with opener(kind, tmp_path)() as store:
        known = await names(store)
        rows = [task_row(id_, known, job_id=None, scheduled_ms=None) for id_ in (1, 2)]
        assert await write(store, InsertTasks(rows)) == {}


@every_store
async def test_all_changes_are_committed_or_none(kind: str, tmp_path: Path) -> None:
    async with opener(kind, tmp_path)() as store:
        known = await names(store)
        same_key = [PutToken(TOKEN), PutToken(TOKEN)]
        with pytest.raises(StoreFailed):
            await store.write([InsertTasks([task_row(1, known)]), *same_key])
        assert (await store.select([]), await store.tokens()) == ([], [])


@every_store
async def test_deleting_tells_which_rows_were_running(kind: str, tmp_path: Path) -> None:
    async with opener(kind, tmp_path)() as store:
        known = await names(store)
        edge = known.jobs[JOBS[2]]
        await write(store, InsertTasks([task_row(id_, known, job_id=edge if id_ < 4 else None) for id_ in range(1, 7)]))
        await write(store, FinishTasks([finish_row(1), finish_row(5)], [ResultRow(1, "gone", None, None)]))
        assert await write(store, DeleteTasks([FromCron("edge")], 10_000)) == (3, [2, 3])
        assert [row.id for row in await store.select([Limit(9)])] == [5, 6, 4]
        await write(store, InsertTasks([task_row(1, known)]))
        [row] = await store.select([TaskId(1)])
        assert row.error_message is None


@every_store
async def test_deleting_with_a_limit_takes_the_newest(kind: str, tmp_path: Path) -> None:
    async with opener(kind, tmp_path)() as store:
        known = await names(store)
        await write(store, InsertTasks([task_row(id_, known) for id_ in range(1, 7)]))
        await write(store, FinishTasks([finish_row(id_, finished_ms=100 - id_) for id_ in (1, 2, 3, 4)]))
        assert await write(store, DeleteTasks([Limit(2)], 10_000)) == (2, [])
        assert await write(store, DeleteTasks([Limit(2), Last()], 10_000)) == (1, [])
        assert [row.id for row in await store.select([Limit(9)])] == [4, 6, 5]
        assert await write(store, DeleteTasks([Succeeded(None), Limit(1)], 10_000)) == (1, [6])
        assert await write(store, DeleteTasks([Limit(0)], 10_000)) == (0, [])
        assert await write(store, DeleteTasks((), 10_000)) == (2, [5])


@every_store
async def test_names_keep_their_numbers(kind: str, tmp_path: Path) -> None:
    open_ = opener(kind, tmp_path)
    async with open_() as store:
        first = await names(store)
    async with open_() as store:
        second = await write(
            store, InternNames((JobName("edge", "x"), *JOBS), {AGENTS[1]: "nyc-1"}, (*SPECS, Spec('"version"')))
        )
    assert {job: second.jobs[job] for job in JOBS} == first.jobs
    assert len(set(second.jobs.values())) == 4
    assert second.agents == {AGENTS[1]: first.agents[AGENTS[1]]}
    assert {spec: second.specs[spec] for spec in SPECS} == first.specs
    assert len(set(second.specs.values())) == len(SPECS) + 1


@every_store
async def test_an_agents_name_stays_until_another_is_given(kind: str, tmp_path: Path) -> None:
    async with opener(kind, tmp_path)() as store:
        await write(store, InsertTasks([task_row(1, await names(store))]))
        seen = []
        for name in ("fra-1", None, "fra-2"):
            await write(store, InternNames(agents={AGENTS[0]: name}))
            seen += [row.agent_name for row in await store.select([])]
    assert seen == ["fra-1", "fra-1", "fra-2"]


@every_store
async def test_tokens_are_put_replaced_and_deleted(kind: str, tmp_path: Path) -> None:
    open_ = opener(kind, tmp_path)
    async with open_() as store:
        assert await write(store, PutToken(TOKEN._replace(id=1, key="root", username="root"))) == 1
        assert await write(store, PutToken(TOKEN._replace(valid_from_ms=-5, valid_to_ms=2**40))) == 2
        assert await write(store, PutToken(TOKEN._replace(id=1, key="root2", username="root"))) == 1
        assert await write(store, PutToken(TOKEN._replace(key="other"))) == 3
        assert await write(store, DeleteToken(3)) is True
        assert await write(store, DeleteToken(3)) is False
    async with open_() as store:
        assert await store.tokens() == [
            TOKEN._replace(id=1, key="root2", username="root"),
            TOKEN._replace(id=2, valid_from_ms=-5, valid_to_ms=2**40),
        ]


@every_store
async def test_a_setting_is_written_once(kind: str, tmp_path: Path) -> None:
    open_ = opener(kind, tmp_path)
    async with open_() as store:
        assert await store.setting("server_uuid", "a") == "a"
    async with open_() as store:
        assert await store.setting("server_uuid", "b") == "a"


@every_store
async def test_readers_do_not_wait_for_each_other_or_the_writer(kind: str, tmp_path: Path) -> None:
    async with opener(kind, tmp_path)() as store:
        known = await names(store)
        writes = [write(store, InsertTasks([task_row(id_, known)])) for id_ in range(1, 21)]
        reads = [store.select([]) for _ in range(20)]
        async with asyncio.timeout(10):
            await asyncio.gather(*writes, *reads)
        assert len(await store.select([])) == 20


async def test_a_store_that_another_server_has_is_refused(tmp_path: Path) -> None:
    open_ = opener("sqlite", tmp_path)
    async with open_():
        with pytest.raises(StartError) as refused:
            async with open_():
                pass
    path = tmp_path / "store.db"
    assert str(refused.value) == (f"{path}: another cronprobe server has it open; stop it or choose another --store")


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_text("not a database at all, whatever its name says\n" * 100)
    with pytest.raises(StartError) as refused:
        async with opener("sqlite", tmp_path)():
            pass
    assert str(refused.value) == f"{path}: cannot be opened as a store: file is not a database; choose another --store"
