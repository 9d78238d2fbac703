"""Tasks that somebody asks for by hand, with and without waiting for the result."""

import asyncio
import json
import time

import pytest

from tests.server.rig import AGENT, OTHER, OpenRig, Rig

PING = {"ping": "host.example"}


async def test_an_agent_that_is_away_is_104_and_leaves_no_row(rig: Rig) -> None:
    away = {
        "code": 104,
        "message": f"Unable to connect agent: Error sending task event: Agent {AGENT} is not connected",
    }
    assert await rig.root.refusal("task_create_task", AGENT.upper(), PING) == away
    assert await rig.root.refusal("task_create_task_blocking", AGENT, PING, 1_000) == away
    assert await rig.root.rows() == []


async def test_an_agent_that_left_is_away(rig: Rig) -> None:
    async with rig.agent() as agent:
        await agent.ws.close()
        reply = {}
        async with asyncio.timeout(5):
            while "error" not in reply:
                reply = await rig.root.reply("task_create_task", rig.root.token, AGENT, PING)
    assert reply["error"]["code"] == 104


async def test_a_created_task_runs_until_its_result_comes(rig: Rig) -> None:
    async with rig.agent(stock=True) as agent:
        created = await rig.root.call("task_create_task", AGENT, PING)
        assert list(created) == ["id"]
        task = await agent.task()
        assert (task["task_id"], task["task_event_type"]) == (created["id"], PING)
        [running] = await rig.root.rows()
        assert running == {
            "cron_source": None,
            "error_message": None,
            "success": None,
            "task_event_result": None,
            "task_event_type": PING,
            "task_id": created["id"],
            "timestamp": None,
            "uuid": AGENT,
        }
        response = agent.response(task, {"ping": 8.25})
        await agent.upload(response)
        assert await rig.root.rows() == [
            {**running, "success": True, "task_event_result": {"ping": 8.25}, "timestamp": response["timestamp"]}
        ]


async def test_rows_are_the_eight_members_in_byte_order_to_the_letter(rig: Rig) -> None:
    request = {"url": "https://A.example", "method": "GET"}
    found = {"status": 200, "headers": [{"b": "1", "a": "2"}], "body": "ok"}
    async with rig.agent() as agent:
        await rig.root.call("task_create_task", AGENT, {"http_request": request})
        response = agent.response(await agent.task(), {"http_request": found}, error_message="x")
        await agent.upload(response)
    query = {"token": rig.root.token, "taskDataQuery": {"condition": []}}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "task_query", "params": query})
    text = (await rig.root.post(body)).decode()
    assert text == (
        '{"jsonrpc":"2.0","id":1,"result":[{"cron_source":null,"error_message":"x","success":true,'
        '"task_event_result":{"http_request":{"body":"ok","body_base64":null,"headers":[{"a":"2","b":"1"}],'
        '"status":200}},"task_event_type":{"http_request":{"body":null,"body_base64":null,"headers":{},"ip":null,'
        f'"method":"GET","url":"https://a.example/"}}}},"task_id":{response["task_id"]},'
        f'"timestamp":{response["timestamp"]},"uuid":"{AGENT}"}}]}}'
    )


async def test_a_blocking_create_answers_the_response_in_declaration_order(rig: Rig) -> None:
    async with rig.agent() as agent:
        waiting = asyncio.create_task(
            rig.root.reply("task_create_task_blocking", rig.root.token, AGENT, PING, 9_999_999)
        )
        response = agent.response(await agent.task(), {"ping": 8})
        await agent.upload({**dict(reversed(response.items())), "started_at": 5, "detail": {"a": 1}})
        reply = await waiting
    assert list(reply["result"].items()) == list({**response, "task_event_result": {"ping": 8.0}}.items())


async def test_a_failure_is_a_result_of_a_blocking_create(rig: Rig) -> None:
    async with rig.agent() as agent:
        waiting = asyncio.create_task(rig.root.call("task_create_task_blocking", AGENT, PING, 5_000))
        response = agent.response(await agent.task(), None, success=False, error_message="Other error: no")
        await agent.upload(response)
        assert await waiting == response


@pytest.mark.parametrize("timeout_ms", [0, 20])
async def test_a_blocking_create_times_out_and_the_row_lives_on(rig: Rig, timeout_ms: int) -> None:
    async with rig.agent() as agent:
        error = await rig.root.refusal("task_create_task_blocking", AGENT, PING, timeout_ms)
        task = await agent.task()
        assert error == {
            "code": 999,
            "message": f"Other error: Task {task['task_id']} timed out after {timeout_ms}ms",
        }
        assert (await agent.upload(agent.response(task, {"ping": 1.0})))["result"] == {"id": task["task_id"]}
    assert [row["success"] for row in await rig.root.rows()] == [True]


async def test_a_caller_that_leaves_does_not_take_the_task_along(rig: Rig) -> None:
    async with rig.agent() as agent:
        waiting = asyncio.create_task(rig.root.call("task_create_task_blocking", AGENT, PING, 60_000))
        task = await agent.task()
        waiting.cancel()
        await asyncio.wait([waiting])
        assert (await agent.upload(agent.response(task, {"ping": 1.0})))["result"] == {"id": task["task_id"]}


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"execute": {"cmd": " \t", "args": []}}, "Execute cmd cannot be empty"),
        (
            {"http_request": {"url": "http://a.example/", "method": "GET", "body": "a", "body_base64": "YQ=="}},
            "http_request.body and http_request.body_base64 are mutually exclusive",
        ),
        (
            {"http_request": {"url": "http://a.example/", "method": "GET", "ip": "nowhere"}},
            "Invalid http_request.ip 'nowhere': want 'ipv4 auto', 'ipv6 auto' or an IP address",
        ),
        (
            {"http_request": {"url": "http://a.example/", "method": "G T"}},
            "Invalid http_request.method: 'G T' is not an HTTP method",
        ),
    ],
)
async def test_a_task_that_makes_no_sense_is_108(rig: Rig, task: object, message: str) -> None:
    async with rig.agent():
        for method, rest in (("task_create_task", []), ("task_create_task_blocking", [10])):
            error = await rig.root.refusal(method, AGENT, task, *rest)
            assert error == {"code": 108, "message": f"Invalid input: {message}"}
    assert await rig.root.rows() == []


async def test_ids_go_on_after_a_restart(open_rig: OpenRig) -> None:
    ids = []
    for _ in range(2):
        async with open_rig() as rig, rig.agent():
            ids += [(await rig.root.call("task_create_task", AGENT, PING))["id"] for _ in range(2)]
    assert sorted(set(ids)) == ids


async def test_a_query_finds_by_each_condition(rig: Rig) -> None:
    async with rig.agent() as agent, rig.agent(OTHER):
        first = (await rig.root.call("task_create_task", AGENT, PING))["id"]
        second = (await rig.root.call("task_create_task", OTHER, "ip"))["id"]
        await agent.upload(agent.response(await agent.task(), {"ping": 1.0}, timestamp=5_000))
    found = {
        "is_success": [first],
        "is_running": [second],
        "is_failure": [],
        "last": [first],
    }
    for condition, ids in found.items():
        assert [row["task_id"] for row in await rig.root.rows(condition)] == ids
        assert [row["task_id"] for row in await rig.root.rows({condition: None})] == ids
    for key, value, ids in [
        ("uuid", OTHER, [second]),
        ("task_id", first, [first]),
        ("before_id", second, [first]),
        ("type", "ip", [second]),
        ("timestamp_from_to", [5_000, 5_000], [first]),
        ("timestamp_from", 5_001, []),
        ("timestamp_to", 4_999, []),
        ("cron_source", "x", []),
        ("limit", 5, [first, second]),
    ]:
        assert [row["task_id"] for row in await rig.root.rows({key: value})] == ids, key


async def test_detail_adds_our_members_and_changes_none(rig: Rig) -> None:
    task = {"execute": {"cmd": "true", "args": []}}
    async with rig.agent() as agent:
        await rig.root.call("task_create_task", AGENT, task)
        before_ms = time.time_ns() // 1_000_000
        event = await agent.task()
        extensions = {"started_at": 7, "reason": "dns", "detail": {"b": 1, "a": 2}}
        await agent.upload(agent.response(event, {"execute": "x"}, **extensions))
    [plain] = await rig.root.rows()
    [row] = await rig.root.rows(detail=True)
    assert {name: row[name] for name in plain} == plain
    ours = {name: value for name, value in row.items() if name not in plain}
    assert before_ms - 1_000 < ours.pop("sent_at") <= ours.pop("stored_at")
    assert ours == {
        "outcome": "ok",
        "reason": None,
        "degraded": False,
        "late": False,
        "maintenance": False,
        "scheduled_at": None,
        "started_at": 7,
        "detail": {"a": 2, "b": 1},
        "agent_name": None,
    }


async def test_the_detail_of_a_latency_is_kept(rig: Rig) -> None:
    async with rig.agent() as agent:
        await rig.root.call("task_create_task", AGENT, PING)
        await agent.upload(agent.response(await agent.task(), {"ping": 1.0}, detail={"address": "192.0.2.1"}))
    [row] = await rig.root.rows(detail=True)
    assert row["detail"] == {"address": "192.0.2.1"}


async def test_deleting_answers_its_members_in_their_order(rig: Rig) -> None:
    async with rig.agent() as agent:
        for _ in range(3):
            await rig.root.call("task_create_task", AGENT, PING)
        tasks = await agent.tasks(3)
        await agent.upload(agent.response(tasks[0], {"ping": 1.0}))
        for method, conditions, deleted in (
            ("task_delete_task", ["is_success", {"limit": 5}], 1),
            ("task_delete", [], 2),
        ):
            reply = await rig.root.call(method, conditions)
            expected = {"success": True, "deleted": deleted, "condition_count": len(conditions)}
            assert list(reply.items()) == list(expected.items())
        reply = await agent.upload(agent.response(tasks[1], {"ping": 1.0}))
        assert reply["error"] == {
            "code": 105,
            "message": "Not found in database: Task validation failed: Invalid ID, UUID, or Token",
        }
    assert await rig.root.rows() == []


async def test_a_store_that_fails_is_103_and_not_ready_until_it_works_again(rig: Rig) -> None:
    async with rig.agent() as agent:
        database = rig.database()
        database.execute("ALTER TABLE task RENAME TO hidden")
        assert await rig.root.refusal("task_create_task", AGENT, PING) == {
            "code": 103,
            "message": "Database error: no such table: task",
        }
        assert await rig.root.page("/-/ready") == (503, "not ready\n")
        assert await rig.root.page("/-/healthy") == (200, "ok\n")
        database.execute("ALTER TABLE hidden RENAME TO task")
        database.close()
        created = await rig.root.call("task_create_task", AGENT, PING)
        assert (await agent.task())["task_id"] == created["id"]
        assert await rig.root.page("/-/ready") == (200, "ready\n")
