"""The tasks of a beat: every tick ends in exactly one row, with its reason."""

import asyncio
from typing import Any

import pytest

from tests.server.rig import AGENT, OTHER, OpenRig, Rig, new_task


async def create(rig: Rig, *tasks: dict[str, Any]) -> list[dict[str, Any]]:
    answers: list[dict[str, Any]] = await rig.root.call("task_create_batch", list(tasks))
    return answers


async def test_a_batch_arrives_as_one_frame_with_its_deadlines(rig: Rig) -> None:
    async with rig.agent() as agent:
        created = await create(rig, *(new_task(at, task_type={"ping": f"h{at}"}) for at in range(3)))
        events = await agent.tasks(3)
    assert [event["task_id"] for event in events] == [answer["id"] for answer in created]
    assert [event["task_event_type"] for event in events] == [{"ping": f"h{at}"} for at in range(3)]
    assert [event["timeout_ms"] for event in events] == [60_000] * 3
    [frame] = [frame for frame in agent.frames if isinstance(frame, list)]
    assert [message["params"]["result"] for message in frame] == events
    rows = await rig.root.rows(detail=True)
    assert [row["cron_source"] for row in rows] == ["job"] * 3
    assert [row["scheduled_at"] - 4_000_000_000_000 for row in rows] == [0, 1, 2]


async def test_a_tick_is_created_once(rig: Rig) -> None:
    ticks = [new_task(1), new_task(2), new_task(1, cell="a=1"), new_task(1, cron_source="other")]
    async with rig.agent() as agent:
        first = await create(rig, *ticks)
        again = await create(rig, *ticks, new_task(3))
        assert again[:4] == [{"id": answer["id"], "duplicate": True} for answer in first]
        assert again[4].keys() == {"id"}
        assert len({event["task_id"] for event in await agent.tasks(5)}) == 5
    assert len(await rig.root.rows()) == 5


async def test_a_tick_twice_in_one_batch_is_created_once(rig: Rig) -> None:
    async with rig.agent():
        first, second = await create(rig, new_task(), new_task())
    assert second == {"id": first["id"], "duplicate": True}
    assert len(await rig.root.rows()) == 1


async def test_a_tick_is_created_once_over_a_restart(open_rig: OpenRig) -> None:
    async with open_rig() as rig, rig.agent():
        [first] = await create(rig, new_task())
    async with open_rig() as rig, rig.agent():
        assert await create(rig, new_task()) == [{"id": first["id"], "duplicate": True}]
        assert len(await rig.root.rows()) == 1


async def test_an_item_that_is_wrong_does_not_take_the_others_along(rig: Rig) -> None:
    wrong = {
        "unknown variant": new_task(1, task_type={"nope": 1}),
        "is not a UUID": new_task(2, target_uuid="x"),
        "Execute cmd cannot be empty": new_task(3, task_type={"execute": {"cmd": "", "args": []}}),
        "timeout_ms is 0, want 1 to 300000": new_task(4, timeout_ms=0),
        "timeout_ms is 300001, want 1 to 300000": new_task(5, timeout_ms=300_001),
        "cron_source has 0 characters, want 1 to 128": new_task(6, cron_source=""),
        "cron_source has 129 characters, want 1 to 128": new_task(7, cron_source="x" * 129),
    }
    async with rig.agent():
        answers = await create(rig, *wrong.values(), new_task(8))
    for text, answer in zip(wrong, answers, strict=False):
        assert text in answer["error"], answer
        assert answer["code"] in (-32602, 108)
    assert [row["task_id"] for row in await rig.root.rows()] == [answers[-1]["id"]]


@pytest.mark.parametrize("scheduled_at", [2**63, -(2**63) - 1, 10**30, "soon", 1.5, None])
async def test_a_time_that_no_store_can_hold_is_refused_and_harms_nobody(rig: Rig, scheduled_at: object) -> None:
    reply = await rig.root.reply(
        "task_create_batch", rig.root.token, [{**new_task(), "scheduled_at": scheduled_at}, new_task()]
    )
    if isinstance(scheduled_at, int):
        assert [answer.get("code") for answer in reply["result"]] == [108, None]
    else:
        assert reply["error"]["code"] == -32602
    assert await rig.root.page("/-/ready") == (200, "ready\n")


async def test_an_empty_batch_creates_nothing(rig: Rig) -> None:
    assert await create(rig) == []


async def test_an_agent_that_is_away_is_a_row(rig: Rig) -> None:
    [answer] = await create(rig, new_task())
    assert answer.keys() == {"id"}
    [row] = await rig.root.rows(detail=True)
    assert (row["task_id"], row["success"], row["outcome"], row["reason"]) == (
        answer["id"],
        False,
        "unknown",
        "agent_offline",
    )
    assert row["error_message"] == f"Agent {AGENT} is not connected"
    assert row["timestamp"] == row["stored_at"]
    assert row["sent_at"] is None


async def test_a_tick_that_comes_too_late_is_a_row_and_is_not_sent(rig: Rig) -> None:
    async with rig.agent() as agent:
        late, in_time = await create(rig, {**new_task(), "scheduled_at": 5}, new_task())
        assert (await agent.task())["task_id"] == in_time["id"]
    [row] = await rig.root.rows({"task_id": late["id"]}, detail=True)
    assert (row["outcome"], row["reason"], row["scheduled_at"]) == ("unknown", "internal", 5)
    assert row["error_message"] == "not dispatched: the tick came too late or too many tasks waited for the agent"


async def test_what_does_not_fit_the_outbox_is_a_row_and_is_not_waited_for(open_rig: OpenRig) -> None:
    async with open_rig(outbox_size=2) as rig, rig.agent() as agent, rig.agent(OTHER):
        ticks = [new_task(at) for at in range(4)]
        answers = await create(rig, *ticks, new_task(target_uuid=OTHER))
        assert [event["task_id"] for event in await agent.tasks(2)] == [answer["id"] for answer in answers[:2]]
        rows = {row["task_id"]: row["reason"] for row in await rig.root.rows(detail=True)}
    assert [rows[answer["id"]] for answer in answers] == [None, None, "internal", "internal", None]


async def test_a_caller_that_leaves_in_the_middle_of_the_commit_leaves_tasks_that_end(rig: Rig) -> None:
    async with rig.agent() as agent:
        await create(rig, new_task())
        await agent.task()
        with rig.no_commits():
            leaving = asyncio.create_task(create(rig, new_task(2, timeout_ms=300)))
            await rig.root.rows()
            leaving.cancel()
            await asyncio.wait([leaving])
            await rig.root.rows()
        assert (await agent.task())["timeout_ms"] == 300
        await rig.until_ended(1)
    assert [row["scheduled_at"] - 4_000_000_000_000 for row in await rig.root.rows("is_failure", detail=True)] == [2]


async def test_a_store_that_fails_creates_nothing_and_the_next_try_creates_all(rig: Rig) -> None:
    async with rig.agent() as agent:
        database = rig.database()
        database.execute("ALTER TABLE task RENAME TO hidden")
        assert (await rig.root.refusal("task_create_batch", [new_task()]))["code"] == 103
        database.execute("ALTER TABLE hidden RENAME TO task")
        database.close()
        [answer] = await create(rig, new_task())
        assert "duplicate" not in answer
        assert (await agent.task())["task_id"] == answer["id"]
