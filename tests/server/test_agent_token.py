"""
An agent's token can listen and write for its own UUID, and nothing else; one that is not valid can do nothing.

Every method that the server has is tried with it.
"""

import time
from typing import Any

import pytest

from cli.token import agent_limits
from tests.fakes import FakeAgent
from tests.server.rig import AGENT, OTHER, Rig, new_task

DENIED = 102
PING = {"ping": "host.example"}
QUERY: dict[str, Any] = {"condition": []}


JOB = {
    "name": "job",
    "schedule": "@hourly",
    "timezone": "UTC",
    "enabled": True,
    "agents": [{"uuid": AGENT}],
    "task": PING,
}


def response(uuid: str) -> dict[str, Any]:
    return {"task_id": 1, "agent_uuid": uuid, "task_token": "t", "timestamp": 1, "success": True}


# What follows the token; ``None`` for methods that look at no token: they say nothing secret, and change nothing.
CALLS: dict[str, list[Any] | None] = {
    "rpc.discover": None,
    "nodeget-server_hello": None,
    "nodeget-server_version": None,
    "nodeget-server_uuid": None,
    "nodeget-server_list_all_agent_uuid": [],
    "agent-uuid_list_all": [],
    "agent_list": [],
    "agent_report_dynamic": [{}],
    "agent_report_dynamic_summary": [{}],
    "agent_report_static": [{}],
    "task_create_task": [AGENT, PING],
    "task_create_task_blocking": [AGENT, PING, 10],
    "task_create_batch": [[new_task()]],
    "task_query": [QUERY],
    "task_query_task": [QUERY],
    "task_delete": [[{"uuid": AGENT}]],
    "task_delete_task": [[{"uuid": AGENT}]],
    "task_register_task": [AGENT],
    "task_unregister_task": None,
    "task_upload_task_result": [response(AGENT)],
    "task_subscribe_results": [{"condition": [{"uuid": AGENT}]}],
    "task_unsubscribe_results": None,
    "task_stats": [{}],
    "job_declare": [[JOB]],
    "job_record_gaps": [[{"cron_source": "job", "from_ms": 1, "to_ms": 2, "ticks": 1}]],
    "job_gaps": [],
    "job_list": [],
    "crontab_get": [],
    "crontab-result_query": [QUERY],
    "crontab_create": None,
    "crontab_edit": None,
    "crontab_set_enable": None,
    "crontab_delete": None,
    "token_create": [{"token_limit": []}],
    "token_get": [],
    "token_list_all_tokens": [],
    "token_edit": ["root", []],
    "token_roll_token_secret": ["root"],
    "token_change_password": ["root", "123456"],
    "token_delete": ["root"],
}
MAY = {
    "agent_report_dynamic",
    "agent_report_dynamic_summary",
    "agent_report_static",
    "task_register_task",
    "task_upload_task_result",
}
# Whoever has a token may see its record, whatever it permits.
SHOWS_ITSELF = {"token_get"}


def refusals(replies: dict[str, Any]) -> set[str]:
    """The methods that were denied; in a batch each item is."""
    return {
        method
        for method, reply in replies.items()
        if reply.get("error", {}).get("code") == DENIED
        or (method == "task_create_batch" and [item.get("code") for item in reply.get("result", [])] == [DENIED])
    }


async def try_all(rig: Rig, token: str) -> dict[str, Any]:
    """The replies to every call that takes a token."""
    async with rig.http.ws_connect(rig.url) as ws:
        peer = FakeAgent(ws, token, AGENT)
        calls = {method: params for method, params in CALLS.items() if params is not None}
        return {method: await peer.ask(method, [token, *params]) for method, params in calls.items()}


async def state(rig: Rig) -> tuple[object, object]:
    """What must not change."""
    return (await rig.root.call("token_list_all_tokens"))["tokens"], await rig.root.rows()


ALL = {method for method, params in CALLS.items() if params is not None}


async def test_an_agents_token_listens_and_writes_and_does_nothing_else(rig: Rig) -> None:
    token = await rig.root.make_token(agent_limits(AGENT))
    before = await state(rig)
    replies = await try_all(rig, token)
    assert refusals(replies) == ALL - MAY - SHOWS_ITSELF
    assert replies["task_upload_task_result"]["error"]["code"] == 105
    assert await state(rig) == before


async def test_an_agents_token_does_nothing_for_another_agent(rig: Rig) -> None:
    token = await rig.root.make_token(agent_limits(AGENT))
    async with rig.http.ws_connect(rig.url) as ws:
        peer = FakeAgent(ws, token, OTHER)
        denied = [
            await peer.ask("task_register_task", [token, OTHER]),
            await peer.ask("task_upload_task_result", [token, response(OTHER)]),
            await peer.ask("task_create_task", [token, OTHER, PING]),
        ]
    assert [reply["error"]["code"] for reply in denied] == [DENIED] * 3


@pytest.mark.parametrize("kind", ["expired", "not yet valid", "revoked", "foreign", "unknown"])
async def test_a_token_that_is_not_valid_here_does_nothing_at_all(rig: Rig, kind: str) -> None:
    now = time.time_ns() // 1_000_000
    windows = {"expired": {"timestamp_to": now - 1}, "not yet valid": {"timestamp_from": now + 60_000}}
    agent = OTHER if kind == "foreign" else AGENT
    token = await rig.root.make_token(agent_limits(agent), **windows.get(kind, {}))
    key, _, secret = token.partition(":")
    if kind == "revoked":
        await rig.root.call("token_delete", key)
    if kind == "unknown":
        token = f"{key}:{secret[::-1]}"
    before = await state(rig)
    replies = await try_all(rig, token)
    reports = {method for method in MAY if "report" in method} if kind == "foreign" else set()
    shown = SHOWS_ITSELF if kind in ("expired", "not yet valid", "foreign") else set()
    assert refusals(replies) == ALL - shown - reports
    assert await state(rig) == before
