"""
A stock NodeGet server as the protocol describes it, against which our agent can be tried: no extension is known here.

One task, one notification frame, three members in their order; replies come by themselves, in whatever order; a
registration, also a repeated one, gets a new number and replaces the one before. It sends no pings and no batches.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import WSMsgType, web

SERVER_UUID = "5f0c2f4e-4f43-4b0e-9d6a-2a4a7c9d1b10"
TOKEN = "key:secret"
WAIT_S = 20.0
RESPONSE = ("task_id", "agent_uuid", "task_token", "timestamp", "success", "error_message", "task_event_result")


class StockServer:
    """``rows`` are the tasks by id, with what was uploaded; ``terminals`` the users' side of web shells."""

    def __init__(self) -> None:
        self.url = ""
        self.rows: dict[int, dict[str, Any]] = {}
        self.registrations = 0
        self.refused: list[Any] = []
        self.terminals: asyncio.Queue[web.WebSocketResponse] = asyncio.Queue()
        self._registered = asyncio.Event()
        self._changed = asyncio.Condition()
        self._session: tuple[web.WebSocketResponse, int] | None = None

    async def registered(self) -> None:
        async with asyncio.timeout(WAIT_S):
            await self._registered.wait()

    async def create(self, task_type: object) -> int:
        """Send a task; its id."""
        assert self._session is not None
        ws, subscription = self._session
        id_ = len(self.rows) + 311
        self.rows[id_] = {"task_token": f"tok{id_:07}", "response": None}
        event = {"task_id": id_, "task_token": self.rows[id_]["task_token"], "task_event_type": task_type}
        params = {"subscription": subscription, "result": event}
        await ws.send_str(_text({"jsonrpc": "2.0", "method": "task_register_task", "params": params}))
        return id_

    async def response(self, id_: int) -> dict[str, Any]:
        """What the agent uploaded for the task."""
        async with asyncio.timeout(WAIT_S), self._changed:
            await self._changed.wait_for(lambda: self.rows[id_]["response"] is not None)
        response: dict[str, Any] = self.rows[id_]["response"]
        return response

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(max_msg_size=10 * 1024 * 1024)
        await ws.prepare(request)
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                frame = json.loads(message.data)
                replies = [reply for call in _calls(frame) if (reply := await self._answer(ws, call)) is not None]
                await ws.send_str(_text(replies if isinstance(frame, list) else replies[0]))
        self._registered.clear()
        return ws

    async def _answer(self, ws: web.WebSocketResponse, call: dict[str, Any]) -> dict[str, Any] | None:
        head = {"jsonrpc": "2.0", "id": call["id"]}
        match call["method"], call["params"]:
            case "nodeget-server_uuid", _:
                return {**head, "result": SERVER_UUID}
            case "task_register_task", [token, _uuid, *_surplus]:
                assert token == TOKEN
                self._session = (ws, random.randrange(2**53))
                self.registrations += 1
                self._registered.set()
                return {**head, "result": self._session[1]}
            case "task_upload_task_result", [token, response, *_surplus]:
                assert token == TOKEN
                return {**head, **await self._upload(response)}
            case _:
                self.refused.append(call)
                return {**head, "error": {"code": -32601, "message": "Method not found"}}

    async def _upload(self, response: dict[str, Any]) -> dict[str, Any]:
        assert all(name in response for name in RESPONSE), response
        row = self.rows.get(response["task_id"])
        if row is None or row["task_token"] != response["task_token"]:
            text = "Not found in database: Task validation failed: Invalid ID, UUID, or Token"
            return {"error": {"code": 105, "message": text}}
        if row["response"] is not None:
            return {"error": {"code": 108, "message": "Invalid input: Task result has already been uploaded"}}
        async with self._changed:
            row["response"] = {name: response[name] for name in RESPONSE}
            self._changed.notify_all()
        return {"result": {"id": response["task_id"]}}

    async def terminal(self, request: web.Request) -> web.WebSocketResponse:
        """The agent's end of a web shell; a user is put straight on it."""
        query = request.query
        assert self.rows[int(query["task_id"])]["task_token"] == query["task_token"]
        assert query.keys() == {"agent_uuid", "task_id", "task_token", "terminal_id"}
        ws = web.WebSocketResponse(max_msg_size=4 * 1024 * 1024)
        await ws.prepare(request)
        self.terminals.put_nowait(ws)
        while not ws.closed:
            await asyncio.sleep(0.01)
        return ws


def _calls(frame: Any) -> list[dict[str, Any]]:
    return frame if isinstance(frame, list) else [frame]


def _text(message: object) -> str:
    """As a compact encoder writes it, members in their order."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False)


@asynccontextmanager
async def open_stock_server() -> AsyncIterator[StockServer]:
    server = StockServer()
    app = web.Application()
    app.router.add_get("/terminal", server.terminal)
    app.router.add_get("/{path:.*}", server.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.url = f"ws://127.0.0.1:{runner.addresses[0][1]}/nodeget/rpc"
        yield server
    finally:
        await runner.cleanup()
