"""A user's terminal on a real agent, through a real server: one process each."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import psutil
from aiohttp import WSMsgType

from tests.fakes import Caller
from tests.processes import agent_config, agent_token_limits, call, run, run_server

AGENT = "e8583352-39e8-5a5b-b66c-e450689088fd"
LIMIT_S = 15
USER = [
    {
        "scopes": [{"agent_uuid": AGENT}],
        "permissions": [{"terminal": "connect"}, {"task": {"create": "web_shell"}}, {"task": {"read": "web_shell"}}],
    }
]


class Terminal:
    """A user at the terminal."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse, first: bytes, root: Caller, task_id: int) -> None:
        self.ws = ws
        self._unread = first
        self._root = root
        self._task_id = task_id

    async def until(self, wanted: bytes) -> bytes:
        said, self._unread = self._unread, b""
        async with asyncio.timeout(LIMIT_S):
            while wanted not in said:
                message = await self.ws.receive()
                assert message.type is WSMsgType.BINARY, (message, said[-200:])
                said += message.data
        return said

    async def row(self) -> dict[str, Any]:
        """The task's row, once it has ended."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                [row] = await self._root.rows({"task_id": self._task_id})
                if row["success"] is not None:
                    return row
                await asyncio.sleep(0.02)


@asynccontextmanager
async def terminal(directory: Path) -> AsyncIterator[Terminal]:
    async with run_server(directory / "state") as server, call(server.url) as root:
        token = await root.make_token(agent_token_limits(AGENT))
        config = agent_config(directory, name="a", uuid=AGENT, server_uuid=server.uuid, token=token, url=server.url)
        config.write_text('terminal_shell = "sh"\n' + config.read_text().replace('"ping"', '"ping", "web_shell"'))
        user = root.as_(await root.make_token(USER))
        async with run("agent", "-c", config, directory=directory) as agent:
            await agent.says("connected")
            id_ = str(uuid4())
            url = server.url.replace("http", "ws")
            task = {"web_shell": {"url": f"{url}/auto_gen", "terminal_id": id_}}
            created = await user.call("task_create_task", AGENT, task)
            at_work = Terminal(*await attach(root.http, url, id_, user.token), root, created["id"])
            await at_work.until(b"ready\r\n")
            yield at_work
            await agent.stop()
        await server.process.stop()


async def attach(
    http: aiohttp.ClientSession, url: str, id_: str, token: str
) -> tuple[aiohttp.ClientWebSocketResponse, bytes]:
    """The terminal and the first that it says: the agent needs a moment to dial."""
    query = {"agent_uuid": AGENT, "terminal_id": id_, "token": token}
    async with asyncio.timeout(LIMIT_S):
        while True:
            ws = await http.ws_connect(f"{url}/terminal", params=query, max_msg_size=0)
            await ws.send_str("PS1=; stty -echo; echo re''ady\n")
            message = await ws.receive()
            if message.type is WSMsgType.BINARY:
                return ws, message.data
            await ws.close()
            await asyncio.sleep(0.02)


async def test_a_user_works_at_a_terminal_and_leaves(tmp_path: Path) -> None:
    async with terminal(tmp_path) as user:
        await user.ws.send_json({"cols": 132, "rows": 43})
        await user.ws.send_str("stty size; echo pid $$ e''nd\n")
        said = await user.until(b"end")
        assert b"43 132\r\n" in said
        shell = int(said.split(b"pid ")[1].split()[0])
        await user.ws.send_str("stty -opost; head -c 10485760 /dev/zero | tr '\\0' x; echo e''nd\n")
        assert (await user.until(b"end")).count(b"x") == 10 * 1024 * 1024
        assert psutil.pid_exists(shell)
        await user.ws.close()
        row = await user.row()
        assert (row["success"], row["task_event_result"]) == (True, {"web_shell": True})
        assert not psutil.pid_exists(shell)


async def test_a_shell_that_exits_closes_the_users_terminal(tmp_path: Path) -> None:
    async with terminal(tmp_path) as user:
        await user.ws.send_str("exit\n")
        async with asyncio.timeout(LIMIT_S):
            while (message := await user.ws.receive()).type is WSMsgType.BINARY:
                pass
        assert message.type is WSMsgType.CLOSE
        assert (await user.row())["task_event_result"] == {"web_shell": True}
