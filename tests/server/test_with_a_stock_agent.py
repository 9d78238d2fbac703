"""A stock agent on our server: every task type, ten of its minutes, and it never has a reason to reconnect."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from cli.token import agent_limits
from tests.server.rig import AGENT, OpenRig, Rig
from tests.server.stock_agent import StockAgent

# The minute of the agent, and the server's 30 s between pings, both a hundred times as fast.
MINUTE_S = 0.6
PING_S = 0.3

VERSION = dict.fromkeys(
    (
        "binary_type",
        "build_time",
        "cargo_target_triple",
        "cargo_version",
        "git_branch",
        "git_commit_date",
        "git_commit_message",
        "git_commit_sha",
        "rustc_channel",
        "rustc_commit_date",
        "rustc_commit_hash",
        "rustc_llvm_version",
        "rustc_version",
    ),
    "1",
)
REQUEST = {"url": "https://host.example/", "method": "GET"}
RESPONSE = {"status": 200, "headers": [{"b": "1"}, {"a": "2"}], "body": "ok", "body_base64": None}
TASKS: dict[str, tuple[object, object]] = {
    "ping": ({"ping": "host.example"}, 8.25),
    "tcp_ping": ({"tcp_ping": "host.example:443"}, 5.0),
    "http_ping": ({"http_ping": "https://host.example/"}, 0.5),
    "http_request": ({"http_request": REQUEST}, RESPONSE),
    "web_shell": ({"web_shell": {"url": "ws://host.example/auto_gen", "terminal_id": str(uuid4())}}, True),
    "execute": ({"execute": {"cmd": "df", "args": ["-h"]}}, "text\n"),
    "dns": (
        {"dns": {"domain": "host.example", "record_types": ["a"]}},
        [{"record_type": "a", "time": 3.5, "data": "192.0.2.1"}],
    ),
    "read_config": ("read_config", "a = 1\n"),
    "edit_config": ({"edit_config": "a = 1\n"}, True),
    "ip": ("ip", ["192.0.2.10", None]),
    "version": ("version", VERSION),
    "self_update": ({"self_update": "v1.2.3"}, False),
}


def execute(event: dict[str, Any]) -> dict[str, object]:
    """What the agent finds, by the type of its task."""
    task = event["task_event_type"]
    [name] = [task] if isinstance(task, str) else task
    return {name: TASKS[name][1]}


@asynccontextmanager
async def stock_agent(rig: Rig, *, minute_s: float = MINUTE_S) -> AsyncIterator[StockAgent]:
    agent = StockAgent(
        rig.http,
        rig.url,
        token=await rig.root.make_token(agent_limits(AGENT)),
        uuid=AGENT,
        server_uuid=rig.server.uuid,
        execute=execute,
        minute_s=minute_s,
        report_s=1.5 * minute_s,
        deaf_s=minute_s / 60,
    )
    running = asyncio.create_task(agent.run())
    try:
        await asyncio.wait_for(agent.is_listening.wait(), 5)
        yield agent
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_a_stock_agent_completes_every_task_type_for_ten_minutes_without_a_reconnect(open_rig: OpenRig) -> None:
    async with open_rig(ping_s=PING_S) as rig, stock_agent(rig) as agent:
        rounds = 0
        while agent.registrations < 11:
            for name, (task, result) in TASKS.items():
                response = await rig.root.call("task_create_task_blocking", AGENT, task, 5_000)
                assert (response["success"], response["task_event_result"]) == (True, {name: result})
            rounds += 1
            await asyncio.sleep(MINUTE_S)  # silence, in which the server pings
        rows = await rig.root.rows()
        assert len(rows) == rounds * len(TASKS)
        assert (agent.connections, agent.why) == (1, [])
        assert agent.errors == []
        assert agent.pings >= 3


async def test_a_burst_does_not_overflow_a_stock_agents_ring(open_rig: OpenRig) -> None:
    async with open_rig(ping_s=PING_S) as rig, stock_agent(rig) as agent:
        created = await asyncio.gather(
            *(rig.root.call("task_create_task", AGENT, TASKS["ping"][0]) for _ in range(300))
        )
        await rig.until_ended(300)
        assert {row["task_id"] for row in await rig.root.rows("is_success")} == {one["id"] for one in created}
        assert agent.dropped_tasks == 0


async def test_a_rejected_stock_agent_is_slowed_down(open_rig: OpenRig) -> None:
    async with open_rig(rejection_delay_s=0.25) as rig:
        agent = StockAgent(
            rig.http,
            rig.url,
            token="no:body",
            uuid=AGENT,
            server_uuid=rig.server.uuid,
            execute=execute,
            minute_s=60,
            report_s=60,
            deaf_s=60,
        )
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(agent.run(), 1.0)
        assert 2 <= agent.connections <= 3
