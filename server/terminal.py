"""
The relay of web shells: an agent's terminal on one WebSocket, the user who asked for it on another.

Frames pass unchanged, in their order. While no user is there, and while one reads too slowly, a bounded number waits,
and then the agent is not read from. When either side leaves, the other one is closed.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from hmac import compare_digest

import msgspec
import structlog
from aiohttp import WSCloseCode, WSMessage, WSMsgType, web
from msgspec import Struct

from protocol.errors import RpcError, Unreadable
from protocol.permissions import Permission, Scope
from protocol.reading import normal_uuid
from protocol.tasks import read_task
from server.auth import Auth, Token
from server.grants import Grant, Grants
from server.running import RunningTask, RunningTasks

log = structlog.get_logger()

LARGEST_MESSAGE = 4 * 1024 * 1024
MOST_WAITING = 4096
MOST_WAITING_BYTES = 8 * 1024 * 1024
_GOODBYE_S = 0.5
_CONNECT = Permission("terminal", "connect")
_CONTROL = (WSMsgType.PING, WSMsgType.PONG)
_FORWARDED = (WSMsgType.TEXT, WSMsgType.BINARY, *_CONTROL)
_NEVER_SENT = (1005, 1006, 1015)
_DENIED = 102
_INVALID = 108
_NO_TASK = "Permission Denied: Invalid Task Token or ID"
_MOST_DIGITS = 20


class _Refused(Exception):
    """Why a peer may not attach: the two members of the frame that says so."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        self.message = message


class _Frame(Struct, frozen=True):
    kind: WSMsgType
    data: bytes


class _Waiting:
    """Frames on their way to the user, so many and so large at most; ``None`` is the end of them."""

    def __init__(self) -> None:
        self._frames: deque[_Frame | None] = deque()
        self._bytes = 0
        self._changed = asyncio.Condition()

    async def put(self, frame: _Frame) -> None:
        """Wait until there is room."""
        async with self._changed:
            await self._changed.wait_for(self._has_room)
            self._bytes += len(frame.data)
            self._frames.append(frame)
            self._changed.notify_all()

    def _has_room(self) -> bool:
        return len(self._frames) < MOST_WAITING and self._bytes < MOST_WAITING_BYTES

    async def end(self) -> None:
        """No frame comes after this."""
        async with self._changed:
            self._frames.append(None)
            self._changed.notify_all()

    async def get(self) -> _Frame | None:
        """Wait until there is one; ``None`` at the end."""
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._frames))
            frame = self._frames.popleft()
            self._bytes -= 0 if frame is None else len(frame.data)
            self._changed.notify_all()
            return frame


class _Terminal:
    """An agent's end that is open."""

    def __init__(self, agent: web.WebSocketResponse) -> None:
        self.agent = agent
        self.waiting = _Waiting()
        self.has_user = False


class Terminals:
    """The terminals that are open, by agent UUID and terminal id."""

    def __init__(self, *, running: RunningTasks, auth: Auth, grants: Grants) -> None:
        self._running = running
        self._auth = auth
        self._grants = grants
        self._open: dict[tuple[str, str], _Terminal] = {}

    async def serve(self, ws: web.WebSocketResponse, query: Mapping[str, str]) -> None:
        """
        Serve an agent's end, or else a user's, until it is closed.

        ``ws`` must hand over pings and pongs: they are forwarded like all frames.
        """
        is_agent = "task_token" in query and "task_id" in query
        try:
            await (self._serve_agent(ws, query) if is_agent else self._serve_user(ws, query))
        except _Refused as e:
            who = "agent" if is_agent else "user"
            log.warning("terminal refused", agent=query.get("agent_uuid", ""), side=who, why=e.message)
            text = msgspec.json.encode({"error_id": e.code, "error_message": e.message})
            await _send(ws, _Frame(WSMsgType.TEXT, text))
            await _close(ws, WSCloseCode.POLICY_VIOLATION)

    async def _serve_agent(self, ws: web.WebSocketResponse, query: Mapping[str, str]) -> None:
        key = self._of_task(query)
        if key in self._open:
            text = f"Invalid Input: terminal_id '{query['terminal_id']}' is already active for this agent"
            raise _Refused(_INVALID, text)
        terminal = self._open[key] = _Terminal(ws)
        log.info("terminal open", agent=key[0], terminal=key[1])
        try:
            async for message in ws:
                if message.type in _FORWARDED and (terminal.has_user or message.type not in _CONTROL):
                    await terminal.waiting.put(_frame(message))
                elif message.type is WSMsgType.PING:
                    await ws.pong(message.data)
        finally:
            del self._open[key]
            log.info("terminal over", agent=key[0], terminal=key[1])
            await terminal.waiting.end()

    def _of_task(self, query: Mapping[str, str]) -> tuple[str, str]:
        """The terminal that the task is for; the task's own token proves the agent."""
        if "terminal_id" not in query:
            raise _Refused(_INVALID, "Invalid Input: Missing terminal_id for agent terminal connection")
        task, key = self._task(query), _key(query)
        if task is None:
            raise _Refused(_DENIED, _NO_TASK)
        if task.series.type_name != "web_shell":
            raise _Refused(_DENIED, "Permission denied: Terminal connection is only allowed for WebShell tasks")
        if read_task(task.series.task_text).payload.terminal_id != key[1]:
            raise _Refused(_DENIED, _NO_TASK)
        return key

    def _task(self, query: Mapping[str, str]) -> RunningTask | None:
        """The running task with this id, agent and token."""
        id_ = query["task_id"]
        task = self._running.get(int(id_)) if id_.isdecimal() and len(id_) <= _MOST_DIGITS else None
        if task is None or task.series.agent_uuid != _key(query)[0]:
            return None
        return task if compare_digest(task.token.encode(), query["task_token"].encode()) else None

    async def _serve_user(self, ws: web.WebSocketResponse, query: Mapping[str, str]) -> None:
        for name in ("terminal_id", "token"):
            if name not in query:
                raise _Refused(_INVALID, f"Invalid Input: Missing {name} for user terminal connection")
        key = _key(query)
        token = await self._permitted(query["token"], key[0])
        terminal = self._open.get(key)
        if terminal is None:
            raise _Refused(_INVALID, "Terminal session not found")
        if terminal.has_user:
            raise _Refused(_INVALID, "Terminal session already has an attached user")
        terminal.has_user = True
        grant = Grant(
            what=f"terminal of agent {key[0]}",
            credential=query["token"],
            holds=lambda token: self._allows(token, key[0]),
            valid_to_ms=token.row.valid_to_ms,
            revoke=lambda: _close(ws, WSCloseCode.POLICY_VIOLATION),
        )
        self._grants.add(grant)
        log.info("terminal attached", agent=key[0], terminal=key[1], token_key=token.row.key)
        try:
            await _relay(ws, terminal)
        finally:
            self._grants.discard(grant)
            log.info("terminal left", agent=key[0], terminal=key[1], token_key=token.row.key)

    async def _permitted(self, credential: str, agent_uuid: str) -> Token:
        with suppress(RpcError):
            token = await self._auth.verify(credential)
            if self._allows(token, agent_uuid):
                return token
        raise _Refused(_DENIED, "Permission Denied: Terminal connection permission denied")

    def _allows(self, token: Token, agent_uuid: str) -> bool:
        return self._auth.allows(token, [Scope("agent_uuid", agent_uuid)], [_CONNECT])


async def _relay(user: web.WebSocketResponse, terminal: _Terminal) -> None:
    """Both ways, until either side leaves."""
    output = asyncio.create_task(_to_user(user, terminal), name="terminal output")
    try:
        async for message in user:
            if message.type in _FORWARDED:
                await _send(terminal.agent, _frame(message))
    finally:
        output.cancel()
        await _close(terminal.agent, user.close_code)


async def _to_user(user: web.WebSocketResponse, terminal: _Terminal) -> None:
    while frame := await terminal.waiting.get():
        await _send(user, frame)
    await _close(user, terminal.agent.close_code)


def _key(query: Mapping[str, str]) -> tuple[str, str]:
    """(agent, terminal) of a query; what is no UUID stays as it is, and is nobody's."""
    texts = []
    for text in (query.get("agent_uuid", ""), query["terminal_id"]):
        try:
            texts.append(normal_uuid(text))
        except Unreadable:
            texts.append(text)
    return texts[0], texts[1]


def _frame(message: WSMessage) -> _Frame:
    data = message.data
    return _Frame(message.type, data.encode() if isinstance(data, str) else data)


async def _send(ws: web.WebSocketResponse, frame: _Frame) -> None:
    if not ws.closed:
        with suppress(ConnectionError):
            await ws.send_frame(frame.data, frame.kind)


async def _close(ws: web.WebSocketResponse, code: int | None) -> None:
    """With the code that the other side closed with, where that may be sent: RFC 6455, 7.4."""
    sent = code if code is not None and code not in _NEVER_SENT else WSCloseCode.OK
    with suppress(TimeoutError):
        async with asyncio.timeout(_GOODBYE_S):
            await ws.close(code=sent)
