"""Results: checked, stored, answered; the first one wins."""

import asyncio
from typing import Any

import pytest

from tests.fakes import FakeAgent
from tests.server.rig import AGENT, OTHER, Rig, new_task

PING = {"ping": "host.example"}
NOT_FOUND = {"code": 105, "message": "Not found in database: Task validation failed: Invalid ID, UUID, or Token"}
UPLOADED = {"code": 108, "message": "Invalid input: Task result has already been uploaded"}


async def a_response(rig: Rig, agent: FakeAgent) -> dict[str, Any]:
    await rig.root.call("task_create_task", AGENT, PING)
    return agent.response(await agent.task(), {"ping": 1.5})


async def test_the_first_result_wins(rig: Rig) -> None:
    async with rig.agent() as agent:
        response = await a_response(rig, agent)
        second = {**response, "success": False, "task_event_result": None}
        assert (await agent.upload(response))["result"] == {"id": response["task_id"]}
        assert (await agent.upload(second))["error"] == UPLOADED
    assert [row["task_event_result"] for row in await rig.root.rows()] == [{"ping": 1.5}]


async def test_of_two_results_in_one_frame_the_first_wins(rig: Rig) -> None:
    async with rig.agent() as agent:
        response = await a_response(rig, agent)
        first, second = await agent.upload_batch([response, {**response, "task_event_result": {"ping": 2.5}}])
    assert (first["result"], second["error"]) == ({"id": response["task_id"]}, UPLOADED)
    assert [row["task_event_result"] for row in await rig.root.rows()] == [{"ping": 1.5}]


@pytest.mark.parametrize(
    "wrong", [{"task_token": "wrong"}, {"agent_uuid": OTHER}, {"task_id": 999_999_999}, {"task_id": 2**64 - 1}]
)
async def test_a_result_that_names_no_task_is_not_found(rig: Rig, wrong: dict[str, Any]) -> None:
    async with rig.agent() as agent:
        response = await a_response(rig, agent)
        assert (await agent.upload({**response, **wrong}))["error"] == NOT_FOUND
        assert (await agent.upload(response))["result"] == {"id": response["task_id"]}
        assert (await agent.upload({**response, **wrong}))["error"] == NOT_FOUND


async def test_a_result_of_another_variant_is_refused_and_the_task_runs_on(rig: Rig) -> None:
    async with rig.agent() as agent:
        response = await a_response(rig, agent)
        refused = await agent.upload({**response, "task_event_result": {"tcp_ping": 1.5}})
        assert refused["error"] == {
            "code": 108,
            "message": "Invalid input: task_event_result is tcp_ping, the task is ping",
        }
        assert (await agent.upload(response))["result"] == {"id": response["task_id"]}


async def test_an_unknown_variant_is_invalid_params(rig: Rig) -> None:
    async with rig.agent() as agent:
        response = await a_response(rig, agent)
        refused = await agent.upload({**response, "task_event_result": {"nope": 1}})
        assert (refused["error"]["code"], refused["error"]["message"]) == (-32602, "Invalid params")


async def test_an_answer_comes_after_the_commit(rig: Rig) -> None:
    async with rig.agent() as agent:
        response = await a_response(rig, agent)
        with rig.no_commits():
            upload = asyncio.create_task(agent.upload(response))
            [running] = await rig.root.rows({"task_id": response["task_id"]})
            assert running["success"] is None
            assert not upload.done()
        await upload
        database = rig.database()
        assert database.execute("SELECT success, latency_ms FROM task").fetchall() == [(1, 1.5)]
        database.close()


async def test_each_result_of_a_frame_gets_its_own_answer(rig: Rig) -> None:
    async with rig.agent() as agent:
        tasks = [new_task(at) for at in range(4)]
        await rig.root.call("task_create_batch", tasks)
        responses = [agent.response(task, {"ping": 1.5}) for task in await agent.tasks(4)]
        responses[1]["task_token"] = "wrong"
        responses[2]["task_event_result"] = {"nope": 1}
        responses[3]["task_event_result"] = {"ip": [None, None]}
        answers = await agent.upload_batch(responses)
    assert [answer.get("error", {}).get("code") for answer in answers] == [None, 105, -32602, 108]
    assert [row["success"] for row in await rig.root.rows("is_success")] == [True]


async def test_a_result_counts_when_its_agent_left_in_the_middle_of_the_commit(rig: Rig) -> None:
    async with rig.agent() as agent:
        await rig.root.call("task_create_batch", [new_task()])
        response = agent.response(await agent.task(), {"ping": 1.5})
        with rig.no_commits():
            upload = asyncio.create_task(agent.upload(response))
            await rig.root.rows()
            await agent.ws.close()
        await asyncio.wait([upload])
    await rig.until_ended(1)
    assert [row["success"] for row in await rig.root.rows()] == [True]


@pytest.mark.parametrize(
    ("members", "outcome", "reason"),
    [
        ({}, "failed", "probe_error"),
        ({"reason": "connect_refused"}, "failed", "connect_refused"),
        ({"reason": "refused"}, "unknown", "refused"),
        ({"reason": "agent_offline"}, "failed", "probe_error"),
        ({"reason": "no such word"}, "failed", "probe_error"),
        ({"error_message": "Other error: Other error: Other error: Invalid target"}, "failed", "dns"),
        ({"error_message": "Other error: Other error: Other error: Tcp Ping Timeout"}, "failed", "connect_timeout"),
        (
            {"error_message": "Other error: Tcp Ping Error: Connection refused (os error 111)"},
            "failed",
            "connect_refused",
        ),
        ({"error_message": "Permission denied: Permission Denied: Task not allowed"}, "unknown", "refused"),
        ({"error_message": "Other error: Network task timed out after 10s (pool limit)"}, "failed", "timeout"),
        ({"error_message": "x", "reason": "tls", "detail": {"tls_ms": 5}}, "failed", "tls"),
    ],
)
async def test_a_failure_has_one_reason_of_the_closed_set(
    rig: Rig, members: dict[str, Any], outcome: str, reason: str
) -> None:
    async with rig.agent() as agent:
        response = await a_response(rig, agent)
        await agent.upload({**response, "task_event_result": None, "success": False, **members})
    [row] = await rig.root.rows(detail=True)
    assert (row["success"], row["outcome"], row["reason"]) == (False, outcome, reason)
    assert row["error_message"] == members.get("error_message")


async def test_odd_numbers_of_an_agent_do_no_harm(rig: Rig) -> None:
    """Times beyond 63 bits, a duration beyond any float: the other results of the frame arrive."""
    task = {"http_request": {"url": "http://a.example/", "method": "GET"}}
    async with rig.agent() as agent:
        await rig.root.call("task_create_batch", [new_task(at, task_type=task) for at in range(4)])
        found = {"http_request": {"status": 200, "headers": []}}
        responses = [agent.response(event, found) for event in await agent.tasks(4)]
        responses[0] |= {"timestamp": 2**64 - 1, "started_at": 2**64}
        responses[1] |= {"detail": {"duration_ms": 10**400}}
        responses[2] |= {"detail": {"duration_ms": True}}
        answers = await agent.upload_batch(responses)
        assert "result" in answers[0]
        assert "result" in answers[2]
        assert "result" in answers[3]
        rows = {row["task_id"]: row for row in await rig.root.rows()}
    assert rows[responses[0]["task_id"]]["timestamp"] == -1
    assert rows[responses[3]["task_id"]]["success"] is True
