"""The seam's RPC form against a real port."""

from typing import Any

import msgspec
import pytest
from aiohttp import web
from msgspec import Raw

from protocol.errors import ConfigError
from protocol.methods.task import Created, NewTask
from scheduler.taskserver import TaskServerAway, TaskServerRefused, open_rpc_task_server
from tests.scheduler.fakes import open_rpc_port

Call = dict[str, Any]


def new_tasks(count: int) -> list[NewTask]:
    return [
        NewTask(
            target_uuid="e8583352-39e8-5a5b-b66c-e450689088fd",
            task_type=Raw(b'{"ping":"127.0.0.1"}'),
            cron_source="ping-self",
            scheduled_at=1_000 * number,
            timeout_ms=5_000,
            agent_name="local",
        )
        for number in range(count)
    ]


async def test_a_batch_is_one_call_with_token_and_tasks() -> None:
    calls: list[Call] = []

    def answer(call: Call) -> object:
        calls.append(call)
        result = [{"id": 7}, {"id": 3, "duplicate": True}, {"code": 108, "error": "Invalid input: no"}]
        return {"jsonrpc": "2.0", "id": call["id"], "result": result}

    async with open_rpc_port(answer) as url, open_rpc_task_server(url, "key:secret") as server:
        created = await server.create_tasks(new_tasks(3))
    assert created == [Created(id=7), Created(id=3, duplicate=True), Created(code=108, error="Invalid input: no")]
    [call] = calls
    assert (call["jsonrpc"], call["method"]) == ("2.0", "task_create_batch")
    token, tasks = call["params"]
    assert token == "key:secret"
    assert msgspec.convert([task["scheduled_at"] for task in tasks], list[int]) == [0, 1_000, 2_000]
    assert tasks[1] == {
        "target_uuid": "e8583352-39e8-5a5b-b66c-e450689088fd",
        "task_type": {"ping": "127.0.0.1"},
        "cron_source": "ping-self",
        "scheduled_at": 1_000,
        "timeout_ms": 5_000,
        "agent_name": "local",
    }


async def test_a_large_batch_is_sent_in_calls_of_5000_and_answered_in_order() -> None:
    sizes: list[int] = []

    def answer(call: Call) -> object:
        tasks = call["params"][1]
        sizes.append(len(tasks))
        return {"jsonrpc": "2.0", "id": call["id"], "result": [{"id": task["scheduled_at"]} for task in tasks]}

    async with open_rpc_port(answer) as url, open_rpc_task_server(url, "token") as server:
        created = await server.create_tasks(new_tasks(11_000))
    assert sizes == [5_000, 5_000, 1_000]
    assert [answer.id for answer in created] == [1_000 * number for number in range(11_000)]


async def test_an_error_object_is_a_refusal_with_the_servers_message() -> None:
    error = {"code": 102, "message": "Permission denied: Invalid token"}
    async with (
        open_rpc_port(lambda call: {"jsonrpc": "2.0", "id": call["id"], "error": error}) as url,
        open_rpc_task_server(url, "token") as server,
    ):
        with pytest.raises(TaskServerRefused) as caught:
            await server.create_tasks(new_tasks(1))
    assert caught.value.message == "Permission denied: Invalid token"
    assert str(caught.value) == f"{url}: the task server refused: Permission denied: Invalid token"


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (lambda: web.Response(status=502), "answered HTTP 502; is it a cronprobe server?"),
        (
            lambda: web.Response(status=302, headers={"location": "http://127.0.0.1:1/"}),
            "answered HTTP 302; is it a cronprobe server?",
        ),
        (lambda: {"jsonrpc": "2.0", "id": 1, "result": []}, "0 answers to 1 tasks; is it a cronprobe server?"),
        (lambda: {"jsonrpc": "2.0", "id": 1}, "no answer to task_create_batch; is it a cronprobe server?"),
        (
            lambda: web.Response(text="<html>"),
            "no JSON-RPC reply: JSON is malformed: invalid character (byte 0); is it a cronprobe server?",
        ),
    ],
)
async def test_what_is_no_task_server_counts_as_away(reply: Any, message: str) -> None:
    async with open_rpc_port(lambda _call: reply()) as url, open_rpc_task_server(url, "token") as server:
        with pytest.raises(TaskServerAway) as caught:
            await server.create_tasks(new_tasks(1))
    assert str(caught.value) == f"{url}: {message}"


async def test_a_closed_port_is_away_and_the_message_keeps_secrets() -> None:
    async with open_rpc_port(lambda _call: None) as url:
        pass
    secret = url.replace("http://", "http://user:password@") + "?token=secret"
    async with open_rpc_task_server(secret, "token") as server:
        with pytest.raises(TaskServerAway) as caught:
            await server.create_tasks(new_tasks(1))
    assert str(caught.value).startswith(f"{url}: cannot be reached: ")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["127.0.0.1:2211", "ftp://a.example/", "http:///path", ""])
async def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        async with open_rpc_task_server(url, "token"):
            pass
    assert str(caught.value) == f"task server '{url}': not an address; want http://host:port or https://host:port"
