"""``cronprobe shell``: a terminal on an agent, through the server's relay."""

import asyncio
import os
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any
from uuid import uuid4

import aiohttp
import msgspec
import typer
from aiohttp import WSCloseCode, WSMsgType
from yarl import URL

from agent.permissions import SWITCHES
from cli.agents import agent_uuid
from cli.client import CallRefused, Client, ServerUnreachable
from cli.options import DEFAULT_SERVER, DEFAULT_STATE_DIR, ServerUrl, StateDir, TokenFile, TokenText, find_token
from protocol.errors import Error

_ATTACH_LIMIT_S = 15.0
_ATTACH_PAUSE_S = 0.1
_REFUSAL_LIMIT_S = 1.0
_CUT_OFF: Mapping[int, str] = {
    WSCloseCode.POLICY_VIOLATION: "cut off by the server: the token, or that of the agent, is no longer permitted",
    WSCloseCode.ABNORMAL_CLOSURE: "the connection to the server was lost",
    WSCloseCode.GOING_AWAY: "the server stops",
}
_NOT_THERE = "Terminal session not found"
_END_OF_FILE = b"\x04"


class ShellEnded(Error):
    """The terminal could not be had."""


def shell(
    agent: Annotated[str, typer.Option(help="The agent to work on: name or UUID.")] = "local",
    server: ServerUrl = DEFAULT_SERVER,
    token_file: TokenFile = None,
    token: TokenText = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
) -> None:
    """
    Work at a terminal on an agent, which must allow it (`allow_web_shell`), until the shell or the connection ends.

    Without a terminal here, standard input is what is typed there.

    Example: `cronprobe shell --agent fra-1`
    """
    client = Client(server, find_token(token_file, token, state_dir))
    uuid, terminal_id = agent_uuid(client, agent), str(uuid4())
    relay = URL(server).with_scheme("wss" if server.startswith("https") else "ws")
    task = {"web_shell": {"url": str(relay.with_path("/auto_gen")), "terminal_id": terminal_id}}
    created = msgspec.json.decode(client.call("task_create_task", {"target_uuid": uuid, "task_type": task}))
    query = {"agent_uuid": uuid, "terminal_id": terminal_id, "token": client.token}
    asyncio.run(_work(client, relay.with_path("/terminal").with_query(query), uuid, created["id"]))


async def _work(client: Client, url: URL, uuid: str, task_id: int) -> None:
    async with aiohttp.ClientSession() as session:
        try:
            web_socket, first = await _attach(session, url, client, uuid, task_id)
        except (aiohttp.ClientError, OSError) as e:
            raise ServerUnreachable(f"{url.origin()}: {e}; is a cronprobe server running there? See --server") from e
        with _raw():
            code = await _relay(web_socket, first)
        if code in _CUT_OFF:
            raise ShellEnded(f"shell: {_CUT_OFF[code]}")


async def _attach(
    session: aiohttp.ClientSession, url: URL, client: Client, uuid: str, task_id: int
) -> tuple[aiohttp.ClientWebSocketResponse[bool], asyncio.Task[aiohttp.WSMessage]]:
    """
    The terminal and the wait for the first it says: the agent needs a moment to dial, and may refuse to.

    A refusal comes at once; where none does, the shell is there and has nothing to say yet.
    """
    loop = asyncio.get_running_loop()
    ends_s = loop.time() + _ATTACH_LIMIT_S
    while True:
        web_socket = await session.ws_connect(url, max_msg_size=0, heartbeat=30)
        await web_socket.send_str(_size())
        first = asyncio.create_task(web_socket.receive(), name="first output")
        await asyncio.wait([first], timeout=_REFUSAL_LIMIT_S)
        refusal = _refusal(first.result()) if first.done() else None
        if refusal is None:
            return web_socket, first
        await web_socket.close()
        if refusal != _NOT_THERE:
            raise ShellEnded(f"shell: {refusal}")
        failure = await asyncio.to_thread(_failure, client, uuid, task_id)
        if failure is not None or loop.time() > ends_s:
            raise ShellEnded(f"shell: {failure or 'the agent did not open a terminal'}")
        await asyncio.sleep(_ATTACH_PAUSE_S)


def _refusal(message: aiohttp.WSMessage) -> str | None:
    """What the server says instead of a terminal; ``None`` when the terminal itself speaks."""
    if message.type is WSMsgType.BINARY:
        return None
    if message.type is not WSMsgType.TEXT:
        return "the terminal was closed at once"
    return str(msgspec.json.decode(message.data)["error_message"])


def _failure(client: Client, uuid: str, task_id: int) -> str | None:
    """Why the agent opened none; ``None`` while it may still do so."""
    conditions = [{"task_id": task_id}, {"uuid": uuid}, {"type": "web_shell"}]
    query: dict[str, object] = {"task_data_query": {"condition": conditions, "detail": True}}
    try:
        [row] = msgspec.json.decode(client.call("task_query_task", query))
    except CallRefused:
        return None  # a token that may not read rows can still use a terminal
    if row["reason"] == "refused":
        switch = (row["detail"] or {}).get("switch") or SWITCHES["web_shell"]
        return f"refused: set {switch} in the agent's file, or start cronprobe up with --allow web_shell"
    return row["error_message"] if row["success"] is False else None


def _size() -> str:
    columns, rows = shutil.get_terminal_size()
    return msgspec.json.encode({"cols": columns, "rows": rows}).decode()


@contextmanager
def _raw() -> Iterator[None]:
    """Every key goes to the agent while this is open; the terminal is as before afterwards, come what may."""
    if not sys.stdin.isatty():
        yield
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


async def _relay(web_socket: aiohttp.ClientWebSocketResponse[bool], first: asyncio.Task[aiohttp.WSMessage]) -> int:
    """Both ways until the server closes; gives the code that it closed with."""
    loop = asyncio.get_running_loop()
    sizes: list[asyncio.Task[None]] = []
    typing = asyncio.create_task(_type(web_socket), name="typing")
    loop.add_signal_handler(signal.SIGWINCH, lambda: sizes.append(loop.create_task(web_socket.send_str(_size()))))
    try:
        message: Any = await first
        while message.type in (WSMsgType.BINARY, WSMsgType.TEXT):
            if message.type is WSMsgType.BINARY:
                await asyncio.to_thread(os.write, 1, message.data)
            message = await web_socket.receive()
        # Not the socket's own close_code: aiohttp makes that 1006 when the server is gone before it has our answer.
        return int(message.data) if message.type is WSMsgType.CLOSE else WSCloseCode.ABNORMAL_CLOSURE
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)
        typing.cancel()
        await asyncio.gather(typing, *sizes, return_exceptions=True)


async def _type(web_socket: aiohttp.ClientWebSocketResponse[bool]) -> None:
    """What is typed here, until it ends; then an end of file there."""
    descriptor = sys.stdin.fileno()
    while True:
        await _readable(descriptor)
        typed = os.read(descriptor, 65_536)
        await web_socket.send_bytes(typed or _END_OF_FILE)
        if not typed:
            return


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(descriptor, ready.set)
    except PermissionError:
        return  # a plain file is always readable: epoll_ctl(2)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
