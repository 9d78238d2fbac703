"""The recorded cases of the decoder, each through the real doors: over HTTP and over a WebSocket."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from protocol.permissions import read_permission, read_scope
from tests.server.rig import AGENT, ROOT, Rig, open_rig_in
from tests.server.test_with_a_stock_agent import TASKS
from tests.vector_cases import vectors

Case = dict[str, Any]
UNDECODABLE = -32602
INVALID = 108
module_loop = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with open_rig_in(tmp_path_factory.mktemp("served")) as rig:
        yield rig


def text(case: Case) -> str:
    """The case's JSON, to the letter where that matters."""
    return str(case.get("raw") or json.dumps(case["json"]))


async def through_both(rig: Rig, method: str, params: str) -> list[str]:
    """The replies to a call over HTTP and over a WebSocket."""
    call = f'{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}'
    async with rig.peer() as peer:
        await peer.send(call)
        return [(await rig.root.post(call.encode())).decode(), await peer.text()]


def code(reply: str) -> int | None:
    error: dict[str, Any] = json.loads(reply).get("error", {})
    return error.get("code")


@vectors("task_event_type")
@module_loop
async def test_a_task_is_taken_sent_and_shown_as_recorded(served: Rig, case: Case) -> None:
    params = f'["{ROOT}","{AGENT}",{text(case)}]'
    async with served.agent(stock=True) as agent:
        for reply in await through_both(served, "task_create_task", params):
            if not case["valid"]:
                assert code(reply) == UNDECODABLE
            elif code(reply) is None:
                event = await agent.text()
                assert event.endswith(f'"task_event_type":{case["wire_text"]}}}}}}}')
                shown = await served.root.post(query(json.loads(reply)["result"]["id"]))
                assert f'"task_event_type":{case["stored_text"]},' in shown.decode()
            else:
                assert code(reply) == INVALID


def query(task_id: int) -> str:
    condition = {"condition": [{"task_id": task_id}]}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "task_query", "params": [ROOT, condition]})


async def running(rig: Rig, name: str) -> tuple[int, str]:
    """(id, token) of a running task of the type."""
    async with rig.agent() as agent:
        await rig.root.call("task_create_task", AGENT, TASKS[name][0])
        event = await agent.task()
    return event["task_id"], event["task_token"]


@vectors("task_event_result")
@module_loop
async def test_a_result_is_taken_and_shown_as_recorded(served: Rig, case: Case) -> None:
    given = text(case)
    name = next((name for name in TASKS if f'"{name}"' in given), "ping")
    for door in (0, 1):
        id_, token = await running(served, name)
        head = f'"task_id":{id_},"agent_uuid":"{AGENT}","task_token":"{token}","timestamp":1,"success":true'
        params = f'["{ROOT}",{{{head},"task_event_result":{given}}}]'
        reply = (await through_both(served, "task_upload_task_result", params))[door - 1]
        first = (await served.root.post(query(id_))).decode()
        if case["valid"]:
            assert code(reply) in (None, INVALID)  # the second of the two comes too late
            assert f'"task_event_result":{case["stored_text"]},' in first
        elif given == "null":  # no result at all, which a response may have
            assert '"task_event_result":null,' in first
        else:
            assert code(reply) == UNDECODABLE
            assert '"success":null' in first


@vectors("task_event_response")
@module_loop
async def test_a_response_is_decoded_as_recorded(served: Rig, case: Case) -> None:
    """Decodable ones are of tasks that nobody knows."""
    for reply in await through_both(served, "task_upload_task_result", f'["{ROOT}",{text(case)}]'):
        assert code(reply) == (105 if case["valid"] else UNDECODABLE)


@vectors("query_condition")
@module_loop
async def test_a_condition_is_decoded_as_recorded(served: Rig, case: Case) -> None:
    for reply in await through_both(served, "task_query", f'["{ROOT}",{{"condition":[{text(case)}]}}]'):
        assert code(reply) == (None if case["valid"] else UNDECODABLE)


@vectors("task_data_query")
@module_loop
async def test_a_query_is_decoded_as_recorded(served: Rig, case: Case) -> None:
    for reply in await through_both(served, "task_query", f'["{ROOT}",{text(case)}]'):
        assert code(reply) == (None if case["valid"] else UNDECODABLE)


@vectors("crontab_result_condition")
@module_loop
async def test_a_condition_on_ticks_is_decoded_as_recorded(served: Rig, case: Case) -> None:
    for reply in await through_both(served, "crontab-result_query", f'["{ROOT}",{{"condition":[{text(case)}]}}]'):
        assert code(reply) == (None if case["valid"] else UNDECODABLE)


@vectors("cron_type")
@module_loop
async def test_a_cron_type_is_decoded_as_recorded(served: Rig, case: Case) -> None:
    for reply in await through_both(served, "crontab_create", f'["{ROOT}","n","* * * * * *",{text(case)}]'):
        assert code(reply) == (INVALID if case["valid"] else UNDECODABLE)


@vectors("permission")
@module_loop
async def test_a_permission_is_taken_and_shown_as_recorded(served: Rig, case: Case) -> None:
    limits = f'[{{"scopes":[],"permissions":[{text(case)}]}}]'
    for reply in await through_both(served, "token_create", f'["{ROOT}",{{"token_limit":{limits}}}]'):
        await expect_token(served, reply, case, f'"permissions":[{case.get("stored_text")}]')


@vectors("token_limit", kind="parse")
@module_loop
async def test_a_limit_is_taken_and_shown_as_recorded(served: Rig, case: Case) -> None:
    for reply in await through_both(served, "token_create", f'["{ROOT}",{{"token_limit":[{text(case)}]}}]'):
        await expect_token(served, reply, case, f'"token_limit":[{case.get("wire_text")}]')


@vectors("token_creation")
@module_loop
async def test_a_token_is_made_as_recorded(served: Rig, case: Case) -> None:
    """A username without a password, or one that is taken, is decoded all the same."""
    for reply in await through_both(served, "token_create", f'["{ROOT}",{text(case)}]'):
        assert (code(reply) == UNDECODABLE) is not case["valid"]


async def expect_token(rig: Rig, reply: str, case: Case, shown: str) -> None:
    """The token was made and shows this, or its description was refused."""
    if not case["valid"]:
        assert code(reply) == UNDECODABLE
        return
    made = json.loads(reply)["result"]
    call = {"jsonrpc": "2.0", "id": 1, "method": "token_get", "params": [f"{made['key']}:{made['secret']}"]}
    assert shown in (await rig.root.post(json.dumps(call))).decode()


@vectors("token_limit", kind="check")
@module_loop
async def test_a_token_may_do_what_was_recorded(served: Rig, case: Case) -> None:
    """Where what is asked for is a query's: reading, of types, on agents or everywhere."""
    scopes, permissions = case["scopes"], case["permissions"]
    reads = [p["task"]["read"] for p in permissions if isinstance(p.get("task"), dict) and "read" in p["task"]]
    agents = [s["agent_uuid"] for s in scopes if isinstance(s, dict) and "agent_uuid" in s]
    is_query = len(reads) == len(permissions) > 0 and scopes and (scopes == ["global"] or len(agents) == len(scopes))
    made = await served.root.call("token_create", {"token_limit": case["limits"]})
    conditions = [{"type": name} for name in reads] + [{"uuid": uuid} for uuid in agents]
    credential = f"{made['key']}:{made['secret']}"
    if is_query:
        for reply in await through_both(served, "task_query", json.dumps([credential, {"condition": conditions}])):
            assert (code(reply) is None) is case["allowed"]
    else:
        token = await served.server.auth.verify(credential)
        assert served.server.auth.allows(token, *asked(case)) is case["allowed"]


def asked(case: Case) -> tuple[list[Any], list[Any]]:
    """Scopes and permissions of a case that no method asks for in just this way."""
    return (
        [read_scope(json.dumps(scope).encode()) for scope in case["scopes"]],
        [read_permission(json.dumps(permission).encode()) for permission in case["permissions"]],
    )
