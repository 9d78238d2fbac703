"""
Hand-written peers of a server: a caller over HTTP, a WebSocket peer, and an agent in the stock or in our own form.

They write what the protocol says by hand, so that a mistake in ``protocol/`` cannot hide on both sides. Every wait has
a deadline.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

DEADLINE_S = 10.0
JSON = {"content-type": "application/json"}


class Caller:
    """Calls methods by POST."""

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str) -> None:
        self.http = http
        self.url = url
        self.token = token

    async def post(self, body: bytes | str, headers: dict[str, str] = JSON) -> bytes:
        """The reply's body, whatever its status."""
        async with self.http.post(self.url, data=body, headers=headers) as response:
            return await response.read()

    async def reply(self, method: str, *params: object) -> dict[str, Any]:
        """The whole reply to a call by position."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        reply: dict[str, Any] = json.loads(await self.post(json.dumps(body)))
        return reply

    async def call(self, method: str, *params: object) -> Any:
        """The result of a call; our token goes first."""
        reply = await self.reply(method, self.token, *params)
        assert "result" in reply, reply
        return reply["result"]

    async def refusal(self, method: str, *params: object) -> dict[str, Any]:
        """The error of a call; our token goes first."""
        reply = await self.reply(method, self.token, *params)
        assert "error" in reply, reply
        error: dict[str, Any] = reply["error"]
        return error

    async def rows(self, *conditions: object, detail: bool = False) -> list[dict[str, Any]]:
        """Stored rows."""
        query = {"condition": conditions, **({"detail": True} if detail else {})}
        rows: list[dict[str, Any]] = await self.call("task_query_task", query)
        return rows

    async def page(self, path: str) -> tuple[int, str]:
        """Status and text of a GET."""
        async with self.http.get(self.url + path) as response:
            return response.status, await response.text()

    async def make_token(self, limits: Sequence[object], **window: int) -> str:
        """A new token with these limits."""
        made = await self.call("token_create", {"token_limit": limits, **window})
        return f"{made['key']}:{made['secret']}"

    def as_(self, token: str) -> "Caller":
        """The same caller with another token."""
        return Caller(self.http, self.url, token)


class Peer:
    """An open WebSocket. Frames come in as they were sent: batches are not taken apart."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self._ids = 100

    async def send(self, frame: str) -> None:
        """Send a frame as it is."""
        await self.ws.send_str(frame)

    async def text(self) -> str:
        """The next frame."""
        message = await self.ws.receive(timeout=DEADLINE_S)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        text: str = message.data
        return text

    async def frame(self) -> Any:
        """The next frame, decoded."""
        return json.loads(await self.text())

    async def close_code(self) -> int | None:
        """Wait until the other side closes; its close code."""
        async with asyncio.timeout(DEADLINE_S):
            async for _ in self.ws:
                pass
        return self.ws.close_code


@asynccontextmanager
async def open_peer(http: aiohttp.ClientSession, url: str) -> AsyncIterator[Peer]:
    """A WebSocket to the server."""
    async with http.ws_connect(url, max_msg_size=0) as ws:
        yield Peer(ws)


class FakeAgent(Peer):
    """An agent that does what it is told. ``client`` ``None`` is a stock agent."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse, token: str, uuid: str) -> None:
        super().__init__(ws)
        self.token = token
        self.uuid = uuid
        self.frames: list[Any] = []
        self.notices: list[dict[str, Any]] = []
        self._tasks: deque[dict[str, Any]] = deque()
        self._replies: dict[object, dict[str, Any]] = {}

    async def register(self, client: dict[str, Any] | None = None) -> dict[str, Any]:
        """Register; the whole reply."""
        params = [self.token, self.uuid] if client is None else [self.token, self.uuid, client]
        reply = await self.ask("task_register_task", params)
        self.subscription = reply.get("result")
        return reply

    async def ask(self, method: str, params: object) -> dict[str, Any]:
        """Call and wait for the reply."""
        self._ids += 1
        id_ = self._ids
        await self.send(json.dumps({"jsonrpc": "2.0", "id": id_, "method": method, "params": params}))
        await self._until(lambda: id_ in self._replies)
        return self._replies.pop(id_)

    async def task(self) -> dict[str, Any]:
        """The next task event."""
        await self._until(lambda: bool(self._tasks))
        return self._tasks.popleft()

    async def notice(self) -> dict[str, Any]:
        """The next notification that brings no task."""
        await self._until(lambda: bool(self.notices))
        return self.notices.pop(0)

    async def tasks(self, count: int) -> list[dict[str, Any]]:
        """The next task events."""
        return [await self.task() for _ in range(count)]

    def response(self, task: dict[str, Any], result: object = None, **members: object) -> dict[str, Any]:
        """A response to the task: success unless ``members`` say otherwise."""
        return {
            "task_id": task["task_id"],
            "agent_uuid": self.uuid,
            "task_token": task["task_token"],
            "timestamp": time.time_ns() // 1_000_000,
            "success": True,
            "error_message": None,
            "task_event_result": result,
            **members,
        }

    async def upload(self, response: dict[str, Any]) -> dict[str, Any]:
        """Upload; the whole reply."""
        return await self.ask("task_upload_task_result", [self.token, response])

    async def upload_batch(self, responses: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Upload in one frame; the replies in its order."""
        first = self._ids + 1
        self._ids += len(responses)
        calls = [
            {
                "jsonrpc": "2.0",
                "id": first + place,
                "method": "task_upload_task_result",
                "params": [self.token, response],
            }
            for place, response in enumerate(responses)
        ]
        await self.send(json.dumps(calls))
        ids = range(first, first + len(responses))
        await self._until(lambda: all(id_ in self._replies for id_ in ids))
        return [self._replies.pop(id_) for id_ in ids]

    async def _until(self, is_there: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not is_there():
                frame = await self.frame()
                self.frames.append(frame)
                for message in frame if isinstance(frame, list) else [frame]:
                    if message.get("method") == "task_register_task":
                        self._tasks.append(message["params"]["result"])
                    elif "method" in message:
                        self.notices.append(message)
                    else:
                        self._replies[message["id"]] = message


BATCHING = {"client": "cronprobe/0.1.0", "batch": True, "labels": {}}


@asynccontextmanager
async def open_agent(
    http: aiohttp.ClientSession, url: str, token: str, uuid: str, client: dict[str, Any] | None = None
) -> AsyncIterator[FakeAgent]:
    """A registered agent."""
    async with http.ws_connect(url, max_msg_size=0) as ws:
        agent = FakeAgent(ws, token, uuid)
        reply = await agent.register(client)
        assert "result" in reply, reply
        yield agent
