"""Our agent, as people run it, on a stock server: it completes every task type, and re-registers without a fuss."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from agent.permissions import SWITCHES
from protocol.tasks import TASK_TYPES
from tests.agent.name_server import open_name_server
from tests.agent.scripted_server import AGENT_UUID
from tests.agent.stock_server import SERVER_UUID, TOKEN, StockServer, open_stock_server
from tests.agent.targets import Target, open_target, reply
from tests.processes import Process, run

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])


@asynccontextmanager
async def agent_on(server: StockServer, directory: Path, *lines: str) -> AsyncIterator[Process]:
    """The agent in a process of its own, with everything allowed."""
    switches = "".join(f"{switch} = true\n" for switch in SWITCHES.values())
    file = directory / "agent.toml"
    file.write_text(
        "".join(f"{line}\n" for line in lines)
        + f'agent_uuid = "{AGENT_UUID}"\n[[server]]\nname = "stock"\nserver_uuid = "{SERVER_UUID}"\n'
        + f'token = "{TOKEN}"\nws_url = "{server.url}"\nallow_task = true\n{switches}'
    )
    async with run("agent", "-c", file, directory=directory) as agent:
        await server.registered()
        yield agent


@asynccontextmanager
async def tasks(server: StockServer, directory: Path) -> AsyncIterator[dict[str, object]]:
    """A task of every type that can be completed on loopback, its twelve targets included."""
    async with (
        open_target(reply(b"hello", "X-A: 1", "X-A: 2")) as target,
        open_name_server() as names,
    ):
        relay = server.url.replace("/nodeget/rpc", "/auto_gen")
        yield {
            "ping": {"ping": "127.0.0.1"},
            "tcp_ping": {"tcp_ping": f"127.0.0.1:{target.port}"},
            "http_ping": {"http_ping": target.url()},
            "http_request": {"http_request": request_of(target)},
            "dns": {"dns": {"domain": "host.example", "record_types": ["mx", "a"], "dns_server": names.address}},
            "ip": "ip",
            "version": "version",
            "execute": {"execute": {"cmd": "sh", "args": ["-c", "echo out; echo err >&2; exit 3"]}},
            "read_config": "read_config",
            "self_update": {"self_update": "v1.2.3"},
            "web_shell": {"web_shell": {"url": relay, "terminal_id": str(uuid4())}},
            "edit_config": {"edit_config": (directory / "agent.toml").read_text() + "# edited\n"},
        }


def request_of(target: Target) -> dict[str, Any]:
    nothing = dict.fromkeys(("body", "body_base64", "ip"))
    return {"url": target.url("/x"), "method": "GET", "headers": {}, **nothing}


def expected(name: str, result: Any, directory: Path) -> bool:
    """Whether the result is what this task should find."""
    match name:
        case "ping" | "tcp_ping" | "http_ping":
            return isinstance(result, float) and 0 < result < 1000
        case "http_request":
            headers = [{"content-length": "5"}, {"x-a": "1"}, {"x-a": "2"}]
            return bool(result == {"status": 200, "headers": headers, "body": "hello", "body_base64": None})
        case "dns":
            return bool(result[0]["data"] == "10 mail.example." and len(result) == 3)
        case "ip":
            return bool(result == ["192.0.2.10", None])
        case "version":
            return len(result) == 13 and result["binary_type"] == "Agent"
        case "execute":
            return bool(result == "out\n\n--- STDERR ---\nerr\n\n\n[Process exited with code 3]")
        case "read_config":
            return bool(result == (directory / "agent.toml").read_text())
        case "edit_config" | "web_shell":
            return result is True
        case "self_update":
            return result is False
    return False


async def test_every_task_type_is_completed(tmp_path: Path) -> None:
    async with open_stock_server() as server, open_target(reply(b"ip=192.0.2.10\n")) as provider:
        urls = (f'ip_v4_url = "{provider.url()}"', 'ip_v6_url = "http://[::1]:1/"', 'terminal_shell = "sh"')
        async with agent_on(server, tmp_path, *urls) as agent, tasks(server, tmp_path) as all_tasks:
            assert all_tasks.keys() == TASK_TYPES.keys()
            for name, task in all_tasks.items():
                id_ = await server.create(task)
                if name == "web_shell":
                    terminal = await server.terminals.get()
                    await terminal.send_str("exit\n")
                response = await server.response(id_)
                assert (response["success"], response["error_message"]) == (True, None), response
                assert list(response["task_event_result"]) == [name]
                assert expected(name, response["task_event_result"][name], tmp_path), response
            assert server.refused == []
            await agent.says("(?s:agent starts.*agent starts)")
            assert (tmp_path / "agent.toml").read_text().endswith("# edited\n")
            await server.registered()
            await agent.stop()


async def test_a_burst_of_single_frames_loses_nothing(tmp_path: Path) -> None:
    async with open_stock_server() as server, agent_on(server, tmp_path) as agent:
        ids = [await server.create({"tcp_ping": "127.0.0.1:1"}) for _ in range(200)]
        responses = [await server.response(id_) for id_ in ids]
        refused = "Other error: Other error: Other error: Tcp Ping Error: Connection refused (os error 111)"
        assert {response["error_message"] for response in responses} == {refused}
        assert server.refused == []
        await agent.stop()
