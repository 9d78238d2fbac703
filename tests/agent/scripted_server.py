"""A task server on port 0 that does what a test says, and remembers what the agent sent. It imports no server."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from agent.config import Config, ServerConfig

SERVER_UUID = "5f0c2f4e-4f43-4b0e-9d6a-2a4a7c9d1b10"
AGENT_UUID = "e8583352-39e8-5a5b-b66c-e450689088fd"
TOKEN = "key:secret"
WAIT_S = 5.0


class Session:
    """One connection of the agent, from its registration on."""

    def __init__(self, web_socket: web.WebSocketResponse, registration: dict[str, Any]) -> None:
        self.registration = registration
        self.registered_s = asyncio.get_running_loop().time()
        self.registered_again = asyncio.Event()
        self.frames: list[Any] = []
        self.ended = asyncio.Event()
        self._web_socket = web_socket
        self._uploads: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    @property
    def close_code(self) -> int | None:
        return self._web_socket.close_code

    async def send(self, message: object) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        await self._web_socket.send_str(text)

    async def uploads(self, count: int) -> list[dict[str, Any]]:
        """The next ``count`` responses, by task id."""
        async with asyncio.timeout(WAIT_S):
            return sorted([await self._uploads.get() for _ in range(count)], key=lambda u: u["task_id"])

    async def run(self, *tasks: dict[str, Any]) -> list[dict[str, Any]]:
        """Send the tasks as one batch and give their responses."""
        await self.send([notification(task) for task in tasks])
        return await self.uploads(len(tasks))

    async def drop(self) -> None:
        await self._web_socket.close(code=WSCloseCode.GOING_AWAY)

    def take(self, calls: Iterable[dict[str, Any]]) -> None:
        for call in calls:
            if call["method"] == "task_upload_task_result":
                assert call["params"][0] == TOKEN
                assert call["id"] == call["params"][1]["task_id"]
                self._uploads.put_nowait(call["params"][1])
            else:
                self.registered_again.set()


class ScriptedServer:
    """
    ``uuid`` is what it says of itself. ``refusal`` is the error object that registrations get, ``None`` to take them;
    ``upload_error`` the one that uploads get. Without ``acknowledges`` uploads are not answered at all. ``calls`` are
    the methods of all introductions.
    """

    def __init__(self) -> None:
        self.url = ""
        self.uuid: object = SERVER_UUID
        self.refusal: dict[str, Any] | None = None
        self.upload_error: dict[str, Any] | None = None
        self.acknowledges = True
        self.calls: list[str] = []
        self._sessions: asyncio.Queue[Session] = asyncio.Queue()

    async def session(self) -> Session:
        """The next connection that registered."""
        async with asyncio.timeout(WAIT_S):
            return await self._sessions.get()

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        web_socket = web.WebSocketResponse(max_msg_size=0)
        await web_socket.prepare(request)
        session = None
        async for message in web_socket:
            if message.type is not WSMsgType.TEXT:
                continue
            frame = json.loads(message.data)
            if session is None:
                session = await self._introduce(web_socket, frame)
                continue
            calls = frame if isinstance(frame, list) else [frame]
            session.frames.append(frame)
            if self.acknowledges:
                await session.send([self._answer(call) for call in calls])
            session.take(calls)
        if session is not None:
            session.ended.set()
        return web_socket

    async def _introduce(self, web_socket: web.WebSocketResponse, call: dict[str, Any]) -> Session | None:
        reply: dict[str, Any] = {"jsonrpc": "2.0", "id": call["id"]}
        self.calls.append(call["method"])
        is_registration = call["method"] == "task_register_task"
        if is_registration and self.refusal is not None:
            reply["error"] = self.refusal
        else:
            reply["result"] = 6107743518446311 if is_registration else self.uuid
        await web_socket.send_json(reply)
        if not is_registration or self.refusal is not None:
            return None
        session = Session(web_socket, call)
        self._sessions.put_nowait(session)
        return session

    def _answer(self, call: dict[str, Any]) -> dict[str, Any]:
        if self.upload_error is not None:
            return {"jsonrpc": "2.0", "id": call["id"], "error": self.upload_error}
        return {"jsonrpc": "2.0", "id": call["id"], "result": {"id": call["id"]}}

    def config(self, **changes: Any) -> ServerConfig:
        known = {"name": "home", "server_uuid": SERVER_UUID, "token": TOKEN, "ws_url": self.url, "allow_task": True}
        switches = {"allow_icmp_ping", "allow_tcp_ping", "allow_http_ping", "allow_http_request"}
        return ServerConfig(**(known | dict.fromkeys(switches, True) | changes))

    def agent(self, **changes: Any) -> Config:
        return Config(**({"agent_uuid": AGENT_UUID, "servers": (self.config(),)} | changes))


@asynccontextmanager
async def open_server(certificate: ssl.SSLContext | None = None) -> AsyncIterator[ScriptedServer]:
    server = ScriptedServer()
    app = web.Application()
    app.router.add_get("/", server.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificate)
        await site.start()
        scheme = "ws" if certificate is None else "wss"
        server.url = f"{scheme}://127.0.0.1:{runner.addresses[0][1]}/"
        yield server
    finally:
        await runner.cleanup()


def task(task_id: int, task_type: object, **more: Any) -> dict[str, Any]:
    return {"task_id": task_id, "task_token": f"token-{task_id}", "task_event_type": task_type, **more}


def notification(event: dict[str, Any]) -> dict[str, Any]:
    params = {"subscription": 6107743518446311, "result": event}
    return {"jsonrpc": "2.0", "method": "task_register_task", "params": params}
