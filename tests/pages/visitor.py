"""A browser without a window: it keeps cookies, and follows redirects."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from server.clock import now_ms
from tests.fakes import DEADLINE_S, FakeAgent
from tests.server.rig import ROOT, Rig, new_task


class Visitor:
    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.http = http
        self.url = url

    async def log_in(self, credential: str = ROOT, back: str = "/") -> tuple[int, str]:
        """Status and path of what the login ends at."""
        form = {"credential": credential, "back": back}
        async with self.http.post(self.url + "/-/login", data=form) as response:
            return response.status, response.url.path_qs

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        """Status and text."""
        async with self.http.get(self.url + path, headers=headers) as response:
            return response.status, await response.text()

    async def page(self, path: str, **headers: str) -> str:
        """The text of a page that is there."""
        status, text = await self.get(path, **headers)
        assert status == 200, (status, text)
        return text

    def cookie(self, name: str) -> str | None:
        cookies = {cookie.key: cookie.value for cookie in self.http.cookie_jar}
        return cookies.get(name)

    @asynccontextmanager
    async def live(
        self, query: str = "path=/", origin: str | None = None
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """The WebSocket that keeps a page up to date."""
        async with self.http.ws_connect(f"{self.url}/-/live?{query}", origin=origin or self.url) as ws:
            yield ws


@asynccontextmanager
async def open_visitor(rig: Rig, credential: str | None = ROOT) -> AsyncIterator[Visitor]:
    """Somebody with a browser; with a credential, logged in."""
    timeout = aiohttp.ClientTimeout(total=DEADLINE_S)
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar, timeout=timeout) as http:
        visitor = Visitor(http, rig.url)
        if credential is not None:
            assert (await visitor.log_in(credential))[0] == 200
        yield visitor


async def news_until(ws: aiohttp.ClientWebSocketResponse, text: str) -> dict[str, Any]:
    """The first message that has the text."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            message = await ws.receive_str()
            if text in message:
                found: dict[str, Any] = json.loads(message)
                return found


async def run_once(rig: Rig, agent: FakeAgent, name: str = "job", **members: Any) -> None:
    """One tick of the job, due now, and its result: 1.5 ms unless ``members`` are those of a response."""
    count = len(rig.ended) + 1
    new = {**new_task(cron_source=name, target_uuid=agent.uuid, agent_name="fra-1"), "scheduled_at": now_ms()}
    created = await rig.root.call("task_create_batch", [new])
    assert "id" in created[0], created
    task = await agent.task()
    await agent.upload(agent.response(task, None if members else {"ping": 1.5}, **members))
    await rig.until_ended(count)


FAILED = {"success": False, "error_message": "Ping Error: Timeout", "reason": "timeout"}
