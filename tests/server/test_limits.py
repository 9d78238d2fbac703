"""What is too much: connections, subscriptions, answers, and registrations that are refused again and again."""

import asyncio
import json
import time

import aiohttp
import pytest

from server.rejections import Rejections
from tests.fakes import FakeAgent
from tests.server.rig import AGENT, OTHER, OpenRig, Rig, new_task

TOO_MANY = "Too many connections. Please try again later."


async def test_one_connection_too_many_is_answered_429_and_pages_still_are(open_rig: OpenRig) -> None:
    async with open_rig(max_connections=2) as rig, rig.peer():
        async with rig.peer():
            async with rig.http.post(rig.url, data=b"{}", headers={"content-type": "application/json"}) as response:
                assert (response.status, response.headers["content-type"]) == (429, "text/plain")
                assert await response.text() == TOO_MANY
            with pytest.raises(aiohttp.WSServerHandshakeError, match="429"):
                async with rig.peer():
                    pass
            assert (await rig.root.page("/-/healthy"))[0] == 200
            page = (await rig.root.page("/metrics"))[1]
            assert 'cronprobe_rpc_requests_total{code="429",method=""} 2.0' in page
        async with asyncio.timeout(5):
            while not (await rig.root.post(b"{}")).startswith(b'{"jsonrpc"'):
                await asyncio.sleep(0.01)


async def test_a_connection_has_so_many_subscriptions(rig: Rig) -> None:
    async with rig.agent() as agent:
        call = {"jsonrpc": "2.0", "method": "task_subscribe_results", "params": [agent.token, {"condition": []}]}
        await agent.send(json.dumps([{**call, "id": 1000 + place} for place in range(1023)]))
        await agent.ask("nodeget-server_hello", [])
        refused = await agent.ask("task_subscribe_results", [agent.token, {"condition": []}])
        assert refused["error"] == {
            "code": -32006,
            "message": "Too many subscriptions on the connection",
            "data": "Exceeded max limit of 1024",
        }


async def fill(rig: Rig, agent: FakeAgent, rows: int, size: int) -> None:
    """So many results of that size in the store."""
    task = {"execute": {"cmd": "x", "args": []}}
    await rig.root.call("task_create_batch", [new_task(at, task_type=task) for at in range(rows)])
    for event in await agent.tasks(rows):
        await agent.upload(agent.response(event, {"execute": "x" * size}))


async def test_an_answer_that_would_be_too_big_is_refused_before_it_is_read(rig: Rig) -> None:
    async with rig.agent() as agent:
        await fill(rig, agent, 12, 9 * 1024 * 1024)
        refused = await rig.root.refusal("task_query", {"condition": [{"limit": 12}]})
        assert refused == {
            "code": -32008,
            "message": "Response is too big",
            "data": "Exceeded max limit of 104857600",
        }
        assert len(await rig.root.rows({"limit": 11})) == 11
        query = {"jsonrpc": "2.0", "method": "task_query", "params": [rig.root.token, {"condition": [{"limit": 6}]}]}
        reply = await rig.root.post(json.dumps([{**query, "id": 1}, {**query, "id": 2}]))
    assert json.loads(reply) == {
        "jsonrpc": "2.0",
        "id": None,
        "error": {
            "code": -32011,
            "message": "The batch response was too large",
            "data": "Exceeded max limit of 104857600",
        },
    }


def test_rejections_come_later_and_later_for_an_address_of_its_own() -> None:
    now_s = 0.0
    rejections = Rejections(first_s=1.0, now_s=lambda: now_s)
    assert [rejections.delay_s("a") for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert rejections.delay_s("b") == 1
    now_s = 121.0
    assert rejections.delay_s("a") == 1


async def test_a_rejected_registration_waits_for_its_answer_and_the_connection_does_not(open_rig: OpenRig) -> None:
    async with open_rig(rejection_delay_s=0.2) as rig, rig.agent(OTHER) as agent:
        call = {"jsonrpc": "2.0", "id": 1, "method": "task_register_task", "params": ["no:body", AGENT]}
        start_s = time.monotonic()
        await agent.send(json.dumps(call))
        assert (await agent.ask("nodeget-server_hello", []))["result"]
        assert time.monotonic() - start_s < 0.2
        assert (await agent.ask("task_register_task", ["no:body", AGENT]))["error"]["code"] == 102
        assert time.monotonic() - start_s > 0.4


async def test_a_server_that_stops_does_not_wait_for_rejections(open_rig: OpenRig) -> None:
    async with open_rig(rejection_delay_s=30.0) as rig, rig.peer() as peer:
        call = {"jsonrpc": "2.0", "id": 1, "method": "task_register_task", "params": ["no:body", AGENT]}
        await peer.send(json.dumps(call))
        await rig.root.page("/-/healthy")
        start_s = time.monotonic()
    assert time.monotonic() - start_s < 2
