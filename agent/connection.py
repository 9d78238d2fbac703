"""
One agent's connection to one server: dial, make sure who it is, register, take tasks, upload results, come back.

Lasts until cancelled. What can go wrong outside is logged here and answered with a pause; a bug is not caught.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Never

import msgspec
import structlog
from aiohttp import ClientError, ClientSession, ClientWebSocketResponse, ClientWSTimeout, WSCloseCode, WSMsgType

from agent.backoff import backoff_s, jittered_s
from agent.config import ServerConfig
from agent.frames import TASK_METHOD, Reply, read_frame
from agent.permissions import permitted_types
from agent.spool import Spool
from agent.worker import Origin, Worker
from protocol import jsonrpc
from protocol.errors import Error, Unreadable
from protocol.methods.task import ClientInfo
from protocol.reading import U64_MAX, normal_uuid, string

log = structlog.get_logger()

UUID_METHOD = "nodeget-server_uuid"
UUID_ID = 1
# Uploads have their task's id as theirs, and no task has the largest there is.
REGISTER_ID = U64_MAX

ANSWER_LIMIT_S = 35.0
"""A cronprobe server holds a rejection back for up to 30 s, and the reason is what an operator needs."""
SEND_LIMIT_S = 20.0
GOODBYE_LIMIT_S = 0.25
DEAD_PEER_MS = 20_000
LARGEST_MESSAGE = 64 * 1024 * 1024
WRONG_SERVER_PAUSE_S = 30.0
LOST_PAUSE_S = 1.0
REGISTER_EVERY_S = 60.0
LOOK_EVERY_S = 1.0


class Unwelcome(Error):
    """The server refused a call of the introduction, or answered it with nonsense."""


class WrongServer(Error):
    """The server has another UUID than the configuration says."""


class ConnectionEnded(Error):
    """The server closed the connection, or it broke."""


class Connection:
    """The way to one server; ``register_every_s`` is how often the registration is repeated."""

    def __init__(
        self,
        *,
        server: ServerConfig,
        agent_uuid: str,
        client_info: ClientInfo,
        connect_limit_s: float,
        spool: Spool,
        worker: Worker,
        rng: Random,
        register_every_s: float = REGISTER_EVERY_S,
    ) -> None:
        self._server = server
        self._origin = Origin(server, permitted_types(server), spool)
        self._registration = msgspec.json.encode([server.token, agent_uuid, client_info])
        self._connect_limit_s = connect_limit_s
        self._spool = spool
        self._worker = worker
        self._rng = rng
        self._register_every_s = register_every_s
        self._log = log.bind(server=server.name)

    async def run(self) -> Never:
        """Connect, again and again."""
        failures = 0
        async with ClientSession() as client:
            while True:
                try:
                    async with self._dial(client) as web_socket:
                        await self._introduce(web_socket)
                        failures = 0
                        pause_s = jittered_s(LOST_PAUSE_S, self._rng)
                        why = await self._work(web_socket)
                except WrongServer as e:
                    why, pause_s = str(e), WRONG_SERVER_PAUSE_S
                except (ClientError, OSError, Unwelcome, ConnectionEnded) as e:
                    failures += 1
                    why, pause_s = str(e) or type(e).__name__, backoff_s(failures, self._rng)
                self._log.warning("no connection", why=why, again_in_s=round(pause_s, 1))
                await asyncio.sleep(pause_s)

    @asynccontextmanager
    async def _dial(self, client: ClientSession) -> AsyncIterator[ClientWebSocketResponse[bool]]:
        try:
            async with asyncio.timeout(self._connect_limit_s):
                web_socket = await client.ws_connect(
                    self._server.ws_url,
                    ssl=not self._server.ignore_cert,
                    timeout=ClientWSTimeout(ws_close=GOODBYE_LIMIT_S),
                    max_msg_size=LARGEST_MESSAGE,
                    decode_text=False,
                )
        except TimeoutError as e:
            raise ConnectionEnded(f"not connected within {self._connect_limit_s:g}s") from e
        try:
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                tcp = web_socket.get_extra_info("socket")
                tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_PEER_MS)
            yield web_socket
        finally:
            with suppress(ClientError, OSError):
                await web_socket.close()

    async def _introduce(self, web_socket: ClientWebSocketResponse[bool]) -> None:
        reply = await self._ask(web_socket, UUID_ID, UUID_METHOD, b"[]")
        found = _server_uuid(reply)
        if found != self._server.server_uuid:
            wanted = self._server.server_uuid
            raise WrongServer(f"server_uuid: the server says {found}, the configuration {wanted}; correct one of them")
        if self._server.allow_task:
            await self._ask(web_socket, REGISTER_ID, TASK_METHOD, self._registration)
        self._log.info("connected", takes_tasks=self._server.allow_task)

    async def _ask(self, web_socket: ClientWebSocketResponse[bool], id_: int, method: str, params: bytes) -> Reply:
        """The answer to a call before the main loop, whatever comes before it."""
        try:
            async with asyncio.timeout(ANSWER_LIMIT_S):
                await web_socket.send_frame(jsonrpc.call(id_, method, params), WSMsgType.TEXT)
                async for message in web_socket:
                    replies = read_frame(message.data).replies if message.type is WSMsgType.TEXT else []
                    for reply in replies:
                        if reply.id == id_ and reply.code is None:
                            return reply
                        if reply.id in (id_, None) and reply.code is not None:
                            raise Unwelcome(f"{method} was refused: {reply.message} ({reply.code})")
        except Unreadable as e:
            raise Unwelcome(f"{method} was answered with no JSON-RPC: {e}") from e
        except TimeoutError as e:
            raise ConnectionEnded(f"no answer to {method} within {ANSWER_LIMIT_S:g}s") from e
        raise ConnectionEnded(f"closed by the server instead of an answer to {method}")

    async def _work(self, web_socket: ClientWebSocketResponse[bool]) -> str:
        """Tasks in, results out, until the connection is lost; gives the reason."""
        why = ""
        self._spool.send_all_again()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._receive(web_socket), name=f"receive from {self._server.name}")
                group.create_task(self._upload(web_socket), name=f"upload to {self._server.name}")
                if self._server.allow_task:
                    group.create_task(self._register_again(web_socket), name=f"register at {self._server.name}")
        except* (ClientError, OSError, ConnectionEnded) as lost:
            why = str(lost.exceptions[0]) or type(lost.exceptions[0]).__name__
        finally:
            with suppress(ClientError, OSError):
                async with asyncio.timeout(GOODBYE_LIMIT_S):
                    await self._send_waiting(web_socket)
        return why

    async def _receive(self, web_socket: ClientWebSocketResponse[bool]) -> Never:
        async for message in web_socket:
            if message.type is WSMsgType.TEXT:
                self._take(message.data)
        advice = "; is the token still valid?" if web_socket.close_code == WSCloseCode.POLICY_VIOLATION else ""
        raise ConnectionEnded(f"closed by the server, code {web_socket.close_code}{advice}")

    def _take(self, text: bytes) -> None:
        try:
            frame = read_frame(text)
        except Unreadable as e:
            self._log.warning("unreadable frame", why=str(e))
            return
        now_s = asyncio.get_running_loop().time()
        for reply in frame.replies:
            if reply.id == REGISTER_ID and reply.code is not None:
                self._log.warning("registration refused", code=reply.code, error=reply.message)
            self._spool.answered(reply, now_s)
        if frame.is_replaced:
            self._log.warning("another connection registered with this agent's UUID; give each agent a UUID of its own")
        self._worker.accept(frame.tasks, self._origin)

    async def _upload(self, web_socket: ClientWebSocketResponse[bool]) -> Never:
        while True:
            await self._send_waiting(web_socket)
            await self._spool.wait(LOOK_EVERY_S)

    async def _send_waiting(self, web_socket: ClientWebSocketResponse[bool]) -> None:
        loop = asyncio.get_running_loop()
        while frame := self._spool.next_frame(loop.time()):
            await _send(web_socket, frame)

    async def _register_again(self, web_socket: ClientWebSocketResponse[bool]) -> Never:
        call = jsonrpc.call(REGISTER_ID, TASK_METHOD, self._registration)
        while True:
            await asyncio.sleep(self._register_every_s)
            await _send(web_socket, call)


async def _send(web_socket: ClientWebSocketResponse[bool], frame: bytes) -> None:
    try:
        async with asyncio.timeout(SEND_LIMIT_S):
            await web_socket.send_frame(frame, WSMsgType.TEXT)
    except TimeoutError as e:
        raise ConnectionEnded(f"the server read nothing for {SEND_LIMIT_S:g}s") from e


def _server_uuid(reply: Reply) -> str:
    """The UUID in the answer; what is none stays as it is, to be shown."""
    try:
        return normal_uuid(string(reply.result))
    except Unreadable:
        return bytes(reply.result).decode(errors="replace") or "nothing"
