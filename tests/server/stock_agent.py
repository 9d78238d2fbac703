"""
A NodeGet agent as the protocol describes it, to the frame, against which a server can be tried.

It is as intolerant as the real one: the answer to its first question must be the very next frame, a ping included;
whatever else happens before it is registered makes it reconnect at once. Every call of it has the id 1. What it holds
is in rings of 32 slots that drop the oldest. Its minute is as short as a test wants.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import aiohttp
from aiohttp import WSMsgType

RING = 32
ANSWER_LIMIT_S = 5.0
Execute = Callable[[dict[str, Any]], Any]


class Reconnect(Exception):
    """What makes the agent drop its connection."""


class StockAgent:
    """
    ``results`` gives the result of each task; ``minute_s`` is how often it registers again, ``report_s`` how often it
    pushes a monitoring report, ``deaf_s`` how long after its start it does not listen for tasks.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        *,
        token: str,
        uuid: str,
        server_uuid: str,
        execute: Execute,
        minute_s: float,
        report_s: float,
        deaf_s: float,
    ) -> None:
        self._http = http
        self._url = url
        self._token = token
        self._uuid = uuid
        self._server_uuid = server_uuid
        self._execute = execute
        self._minute_s = minute_s
        self._report_s = report_s
        self._deaf_s = deaf_s
        self._uplink: deque[str] = deque(maxlen=RING)
        self._downlink: deque[Any] = deque(maxlen=RING)
        self._filled = asyncio.Event()
        self._arrived = asyncio.Event()
        self.connections = 0
        self.registrations = 0
        self.dropped_tasks = 0
        self.pings = 0
        self.errors: list[Any] = []
        self.why: list[str] = []
        self.is_listening = asyncio.Event()

    async def run(self) -> None:
        """Be an agent until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._handle_tasks(group))
            group.create_task(self._report())
            while True:
                self.connections += 1
                async with self._http.ws_connect(self._url, autoping=False, max_msg_size=0) as ws:
                    try:
                        await self._introduce(ws)
                        await self._main_loop(ws)
                    except Reconnect as e:
                        self.why.append(str(e))

    async def _introduce(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        await self._call(ws, "nodeget-server_uuid", [])
        answer = await self._next(ws)
        if answer.get("result") != self._server_uuid:
            raise Reconnect(f"server uuid: {answer}")
        await self._register(ws)
        answer = await self._next(ws)
        if answer.get("id") != 1 or type(answer["id"]) is not int or "error" in answer or "result" not in answer:
            raise Reconnect(f"registration: {answer}")

    async def _next(self, ws: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
        """The next frame of any kind, which must be JSON text."""
        try:
            message = await ws.receive(timeout=ANSWER_LIMIT_S)
        except TimeoutError as e:
            raise Reconnect("no answer") from e
        if message.type is not WSMsgType.TEXT:
            raise Reconnect(f"a frame of another kind: {message.type.name}")
        answer: dict[str, Any] = json.loads(message.data)
        return answer

    async def _main_loop(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        async with asyncio.TaskGroup() as group:
            loops = [group.create_task(self._send(ws)), group.create_task(self._register_again(ws))]
            try:
                async for message in ws:
                    match message.type:
                        case WSMsgType.PING:
                            self.pings += 1
                            await ws.pong(message.data)
                        case WSMsgType.TEXT:
                            self._take(json.loads(message.data))
            finally:
                for loop in loops:
                    loop.cancel()
        raise Reconnect(f"closed by the server: {ws.close_code}")

    def _take(self, frame: Any) -> None:
        if isinstance(frame, dict) and "error" in frame:
            self.errors.append(frame)
        if len(self._downlink) == RING:
            self.dropped_tasks += _is_task(self._downlink[0])
        self._downlink.append(frame)
        self._arrived.set()

    async def _handle_tasks(self, group: asyncio.TaskGroup) -> None:
        await asyncio.sleep(self._deaf_s)
        self._downlink.clear()
        self.is_listening.set()
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._downlink:
                frame = self._downlink.popleft()
                if _is_task(frame):
                    group.create_task(self._run(frame["params"]["result"]))

    async def _run(self, event: dict[str, Any]) -> None:
        result = self._execute(event)
        if asyncio.iscoroutine(result):
            result = await result
        response = {
            "agent_uuid": self._uuid,
            "error_message": None,
            "success": True,
            "task_event_result": result,
            "task_id": event["task_id"],
            "task_token": event["task_token"],
            "timestamp": time.time_ns() // 1_000_000,
        }
        self._push("task_upload_task_result", [self._token, response])

    async def _report(self) -> None:
        while True:
            report = {"uuid": self._uuid, "time": time.time_ns() // 1_000_000}
            self._push("agent_report_dynamic_summary", [self._token, report])
            self._push("agent_report_dynamic", [self._token, report])
            await asyncio.sleep(self._report_s)

    def _push(self, method: str, params: list[Any]) -> None:
        self._uplink.append(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
        self._filled.set()

    async def _send(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            while self._uplink:
                await ws.send_str(self._uplink.popleft())
            self._filled.clear()
            await self._filled.wait()

    async def _register_again(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            await asyncio.sleep(self._minute_s)
            await self._register(ws)

    async def _register(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.registrations += 1
        await self._call(ws, "task_register_task", [self._token, self._uuid])

    async def _call(self, ws: aiohttp.ClientWebSocketResponse, method: str, params: list[Any]) -> None:
        await ws.send_str(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))


def _is_task(frame: Any) -> bool:
    return isinstance(frame, dict) and frame.get("method") == "task_register_task" and "result" in frame["params"]
