"""Tasks whose result does not come, comes late, or comes after a restart."""

import time

from tests.server.rig import AGENT, OpenRig, Rig, new_task


async def test_a_task_past_its_deadline_ends_without_a_result(rig: Rig) -> None:
    async with rig.agent():
        start_ms = time.time_ns() // 1_000_000
        [created] = await rig.root.call("task_create_batch", [new_task(timeout_ms=150)])
        await rig.until_ended(1)
    [row] = await rig.root.rows(detail=True)
    assert (row["task_id"], row["success"], row["outcome"], row["reason"]) == (
        created["id"],
        False,
        "unknown",
        "no_result",
    )
    assert row["error_message"] == "no result within 150 ms"
    assert start_ms + 150 <= row["timestamp"] == row["stored_at"]
    assert row["sent_at"] >= start_ms


async def test_a_late_result_replaces_no_result_once(rig: Rig) -> None:
    async with rig.agent() as agent:
        await rig.root.call("task_create_batch", [new_task(timeout_ms=1)])
        task = await agent.task()
        await rig.until_ended(1)
        late = agent.response(task, {"ping": 1.5})
        wrong = await agent.upload({**late, "task_event_result": {"ip": [None, None]}})
        assert wrong["error"]["message"] == "Invalid input: task_event_result is ip, the task is ping"
        assert (await agent.upload(late))["result"] == {"id": task["task_id"]}
        again = await agent.upload({**late, "success": False})
        assert again["error"] == {"code": 108, "message": "Invalid input: Task result has already been uploaded"}
    [row] = await rig.root.rows(detail=True)
    assert (row["success"], row["outcome"], row["reason"], row["late"]) == (True, "ok", None, True)
    assert (row["error_message"], row["task_event_result"]) == (None, {"ping": 1.5})
    assert row["timestamp"] == late["timestamp"]


async def test_a_late_failure_says_why(rig: Rig) -> None:
    async with rig.agent() as agent:
        await rig.root.call("task_create_batch", [new_task(timeout_ms=1)])
        task = await agent.task()
        await rig.until_ended(1)
        await agent.upload(agent.response(task, None, success=False, error_message="no way", reason="dns"))
    [row] = await rig.root.rows(detail=True)
    assert (row["success"], row["reason"], row["late"], row["error_message"]) == (False, "dns", True, "no way")


async def test_an_end_of_ours_other_than_no_result_is_not_replaced(rig: Rig) -> None:
    [created] = await rig.root.call("task_create_batch", [new_task()])
    database = rig.database()
    [(token,)] = database.execute("SELECT token FROM task").fetchall()
    database.close()
    async with rig.agent() as agent:
        task = {"task_id": created["id"], "task_token": token}
        reply = await agent.upload(agent.response(task, {"ping": 1.5}))
    assert reply["error"] == {"code": 108, "message": "Invalid input: Task result has already been uploaded"}


async def test_a_late_result_counts_after_a_restart(open_rig: OpenRig) -> None:
    async with open_rig() as rig, rig.agent() as agent:
        await rig.root.call("task_create_batch", [new_task(timeout_ms=1)])
        task = await agent.task()
        await rig.until_ended(1)
    async with open_rig() as rig, rig.agent() as agent:
        assert (await agent.upload(agent.response(task, {"ping": 1.5})))["result"] == {"id": task["task_id"]}
        assert [row["success"] for row in await rig.root.rows()] == [True]


async def test_tasks_that_run_at_a_restart_end_by_their_result_or_their_deadline(open_rig: OpenRig) -> None:
    async with open_rig() as rig, rig.agent() as agent:
        await rig.root.call("task_create_batch", [new_task(at, timeout_ms=1_000) for at in range(2)])
        await rig.root.call("task_create_task", AGENT, "ip")
        first, second, by_hand = await agent.tasks(3)
    async with open_rig() as rig, rig.agent() as agent:
        assert {row["success"] for row in await rig.root.rows()} == {None}
        assert (await agent.upload(agent.response(first, {"ping": 1.5})))["result"] == {"id": first["task_id"]}
        await agent.upload(agent.response(by_hand, {"ip": [None, None]}))
        await rig.until_ended(3)
        rows = {row["task_id"]: row for row in await rig.root.rows(detail=True)}
    assert [rows[task["task_id"]]["reason"] for task in (first, second, by_hand)] == [None, "no_result", None]
    assert rows[second["task_id"]]["error_message"] == "no result within 1000 ms"


async def test_tasks_of_an_agent_that_vanished_end_by_their_deadline(rig: Rig) -> None:
    async with rig.agent() as agent:
        await rig.root.call("task_create_batch", [new_task(timeout_ms=100)])
        await agent.task()
    await rig.until_ended(1)
    assert [row["reason"] for row in await rig.root.rows(detail=True)] == ["no_result"]


async def test_deadlines_go_on_when_the_store_failed_meanwhile(rig: Rig) -> None:
    async with rig.agent():
        await rig.root.call("task_create_batch", [new_task(timeout_ms=1)])
        database = rig.database()
        database.execute("ALTER TABLE task RENAME TO hidden")
        status = 200
        while status == 200:
            status, _ = await rig.root.page("/-/ready")
        database.execute("ALTER TABLE hidden RENAME TO task")
        database.close()
        await rig.until_ended(1)
    assert [row["reason"] for row in await rig.root.rows(detail=True)] == ["no_result"]
