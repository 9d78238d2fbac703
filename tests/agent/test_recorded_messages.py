"""The agent's words for what goes wrong are those recorded of a stock agent, each situation brought about for real."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from agent.config import Config
from tests.agent.name_server import open_name_server
from tests.agent.scripted_server import AGENT_UUID, ScriptedServer, task
from tests.agent.targets import closed_port, full_backlog, open_target
from tests.agent.test_agent_sessions import agent_of
from tests.agent.test_web_shell import open_relay
from tests.vector_cases import vectors

DEFAULTS = Config(agent_uuid=AGENT_UUID, servers=())
ALL = {"allow_execute": True, "allow_dns": True, "allow_web_shell": True}


async def message(server: ScriptedServer, task_type: object, **settings: object) -> str:
    """What one task is answered by an agent with everything allowed, and these settings."""
    async with agent_of(server, servers=(server.config(**ALL),), **settings) as session:
        (upload,) = await session.run(task(1, task_type))
    return str(upload["error_message"])


async def not_allowed(server: ScriptedServer) -> str:
    return await message(server, "ip")


async def connect_timeout(server: ScriptedServer) -> str:
    with full_backlog() as port:
        return await message(server, {"tcp_ping": f"127.0.0.1:{port}"})


async def refused(server: ScriptedServer) -> str:
    with closed_port() as port:
        return await message(server, {"tcp_ping": f"127.0.0.1:{port}"})


async def pool_limit(server: ScriptedServer) -> str:
    assert DEFAULTS.network_timeout_ms == 10_000
    async with open_target(keeps_open=True) as target:
        said = await message(server, {"http_ping": target.url()}, network_timeout_ms=200)
    return said.replace(" 0.2s ", " 10s ")


async def execute_limit(server: ScriptedServer) -> str:
    assert DEFAULTS.execute_timeout_ms == 60_000
    said = await message(server, {"execute": {"cmd": "sleep", "args": ["30"]}}, execute_timeout_ms=200)
    return said.replace(" 0.2s)", " 60s)")


async def overall_limit(server: ScriptedServer) -> str:
    assert DEFAULTS.task_timeout_ms == 600_000
    said = await message(server, {"execute": {"cmd": "sleep", "args": ["30"]}}, task_timeout_ms=200)
    return said.replace(" 0.2s", " 600s")


async def nothing_found(server: ScriptedServer) -> str:
    async with open_name_server() as names:
        dns = {"domain": "example.org", "record_types": ["a", "mx"], "dns_server": names.address}
        return await message(server, {"dns": dns})


async def one_terminal_too_many(server: ScriptedServer) -> str:
    most = DEFAULTS.web_shell_sessions
    async with open_relay() as relay, agent_of(server, servers=(server.config(**ALL),)) as session:
        shells = [{"web_shell": {"url": relay.url, "terminal_id": str(uuid4())}} for _ in range(most + 1)]
        for number, shell in enumerate(shells[:most]):
            await session.send([_notification(task(number, shell))])
            await relay.connection()
        (upload,) = await session.run(task(99, shells[most]))
    return str(upload["error_message"])


async def terminal_twice(server: ScriptedServer) -> str:
    shell = {"web_shell": {"url": "", "terminal_id": "7b1e5c1a-2f34-4d8e-9a77-0c1d2e3f4a5b"}}
    async with open_relay() as relay, agent_of(server, servers=(server.config(**ALL),)) as session:
        shell["web_shell"]["url"] = relay.url
        await session.send([_notification(task(1, shell))])
        await relay.connection()
        (upload,) = await session.run(task(2, shell))
    return str(upload["error_message"])


def _notification(event: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": "task_register_task", "params": {"subscription": 1, "result": event}}


SITUATIONS: dict[str, Callable[[ScriptedServer], Awaitable[str]]] = {
    "task type not allowed by the agent's config": not_allowed,
    "1 s connect timeout": connect_timeout,
    "refused": refused,
    "10 s pool limit": pool_limit,
    "60 s limit": execute_limit,
    "nothing found for 2 record types": nothing_found,
    "9th concurrent session": one_terminal_too_many,
    "terminal id in use": terminal_twice,
    "10 min overall limit": overall_limit,
}


@vectors("agent_error_message")
async def test_what_goes_wrong_is_said_as_recorded(server: ScriptedServer, case: dict[str, Any]) -> None:
    assert await SITUATIONS[case["situation"]](server) == case["error_message"]
