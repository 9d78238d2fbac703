"""Subscriptions to results: what a query would answer, as soon as it is stored."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import server.feeds
from tests.fakes import FakeAgent
from tests.server.rig import AGENT, OTHER, Rig, new_task

READ = [{"scopes": ["global"], "permissions": [{"task": {"read": "*"}}]}]


class Subscriber:
    def __init__(self, agent: FakeAgent, subscription: int) -> None:
        self._peer = agent
        self.subscription = subscription

    async def rows(self, count: int) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        while len(rows) < count:
            notice = await self._peer.notice()
            assert notice.keys() == {"jsonrpc", "method", "params"}
            assert notice["method"] == "task_subscribe_results"
            assert notice["params"]["subscription"] == self.subscription
            rows += notice["params"]["result"]
        return rows


@asynccontextmanager
async def subscriber(rig: Rig, *conditions: object, token: str | None = None, **members: object) -> AsyncIterator[Any]:
    async with rig.http.ws_connect(rig.url, max_msg_size=0) as ws:
        peer = FakeAgent(ws, token or rig.root.token, OTHER)
        query = {"condition": conditions, **members}
        reply = await peer.ask("task_subscribe_results", [peer.token, query])
        yield Subscriber(peer, reply["result"]) if "result" in reply else reply["error"]


async def test_a_subscriber_gets_rows_as_a_query_answers_them(rig: Rig) -> None:
    async with rig.agent() as agent, subscriber(rig) as whole, subscriber(rig, detail=True) as detailed:
        await rig.root.call("task_create_batch", [new_task(at) for at in range(20)])
        await agent.upload_batch([agent.response(task, {"ping": 1.5}) for task in await agent.tasks(20)])
        rows = await whole.rows(20)
        assert sorted(rows, key=lambda row: row["task_id"]) == await rig.root.rows()
        assert [list(row) for row in rows] == [list(row) for row in await rig.root.rows()]
        assert await rig.root.rows(detail=True) == sorted(await detailed.rows(20), key=lambda row: row["task_id"])


async def test_a_subscriber_gets_only_what_matches(rig: Rig) -> None:
    async with rig.agent() as agent, subscriber(rig, {"cron_source": "b"}, "is_failure") as found:
        tasks = [new_task(1, cron_source=name) for name in "abc"]
        await rig.root.call("task_create_batch", tasks)
        events = await agent.tasks(3)
        failed = {"success": False, "error_message": "no"}
        await agent.upload_batch([agent.response(event, **failed) for event in events])
        rows = await found.rows(1)
        assert [(row["cron_source"], row["success"]) for row in rows] == [("b", False)]
        assert rows == await rig.root.rows({"cron_source": "b"})


async def test_ticks_without_an_agent_and_without_a_result_are_told_too(rig: Rig) -> None:
    async with subscriber(rig, detail=True) as found:
        await rig.root.call("task_create_batch", [new_task(1)])
        assert [row["reason"] for row in await found.rows(1)] == ["agent_offline"]
        async with rig.agent() as agent:
            await rig.root.call("task_create_batch", [new_task(2, timeout_ms=200)])
            task = await agent.task()
            assert [row["reason"] for row in await found.rows(1)] == ["no_result"]
            await agent.upload(agent.response(task, {"ping": 1.5}))
            assert [(row["reason"], row["late"]) for row in await found.rows(1)] == [(None, True)]


async def test_a_subscription_ends_when_it_is_asked_to(rig: Rig) -> None:
    async with rig.http.ws_connect(rig.url) as ws:
        peer = FakeAgent(ws, rig.root.token, OTHER)
        number = (await peer.ask("task_subscribe_results", [peer.token, {"condition": []}]))["result"]
        assert (await peer.ask("task_unsubscribe_results", [number]))["result"] is True
        assert (await peer.ask("task_unsubscribe_results", [number]))["result"] is False
        await rig.root.call("task_create_batch", [new_task(1)])
        await peer.ask("nodeget-server_hello", [])
        assert peer.notices == []


async def test_a_subscription_needs_what_a_query_needs_and_has_no_limit(rig: Rig) -> None:
    token = await rig.root.make_token([{"scopes": [{"agent_uuid": AGENT}], "permissions": [{"task": {"read": "*"}}]}])
    async with subscriber(rig, token=token) as refused:
        assert refused["message"].endswith("Insufficient permissions to read requested task types")
    async with subscriber(rig, {"uuid": AGENT}, token=token) as allowed:
        assert isinstance(allowed, Subscriber)
    for condition in ("last", {"limit": 5}):
        async with subscriber(rig, condition) as refused:
            assert refused["code"] == 108
    assert (await rig.root.refusal("task_subscribe_results", {"condition": []}))["code"] == -32603


async def test_a_revoked_token_ends_its_subscription(rig: Rig) -> None:
    token = await rig.root.make_token(READ)
    async with rig.http.ws_connect(rig.url) as ws:
        peer = FakeAgent(ws, token, OTHER)
        await peer.ask("task_subscribe_results", [token, {"condition": []}])
        await rig.root.call("token_delete", token.partition(":")[0])
        assert await peer.close_code() == 1008


async def test_a_subscriber_that_is_too_slow_is_cut_off(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.feeds, "_MOST_WAITING", 5)
    async with rig.http.ws_connect(rig.url) as ws:
        peer = FakeAgent(ws, rig.root.token, OTHER)
        await peer.ask("task_subscribe_results", [peer.token, {"condition": []}])
        await rig.root.call("task_create_batch", [new_task(at) for at in range(20)])
        assert await peer.close_code() == 1008
    async with subscriber(rig) as other:
        await rig.root.call("task_create_batch", [new_task(99)])
        assert len(await other.rows(1)) == 1


async def test_large_rows_come_in_frames_of_a_usual_size(rig: Rig) -> None:
    async with rig.agent() as agent, rig.http.ws_connect(rig.url, max_msg_size=0) as ws:
        peer = FakeAgent(ws, rig.root.token, OTHER)
        await peer.ask("task_subscribe_results", [peer.token, {"condition": []}])
        task = {"execute": {"cmd": "x", "args": []}}
        await rig.root.call("task_create_batch", [new_task(at, task_type=task) for at in range(8)])
        events = await agent.tasks(8)
        for event in events:
            await agent.upload(agent.response(event, {"execute": "x" * 200_000}))
        frames: list[str] = []
        while sum(frame.count('"task_id"') for frame in frames) < 8:
            frames.append(await asyncio.wait_for(peer.text(), 5))
        assert max(map(len, frames)) < 600_000
        assert all(json.loads(frame)["params"]["result"] for frame in frames)
