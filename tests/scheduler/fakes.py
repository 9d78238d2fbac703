"""Task servers for tests: one in memory that can be switched off, one behind a real port."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web

from protocol.crontab import DeclaredJob, Gap
from protocol.methods.task import Created, NewTask
from scheduler.taskserver import TaskServerAway


class MemoryTaskServer:
    """Keeps what it is given, in order; raises ``failure`` while that is set, waits while ``answering`` is not."""

    def __init__(self) -> None:
        self.calls: list[list[NewTask]] = []
        self.declared: list[list[DeclaredJob]] = []
        self.declarations = 0
        self.last_ticks: dict[str, int] = {}
        self.gaps: list[Gap] = []
        self.failure: Exception | None = None
        self.refused: dict[str, str] = {}
        self.answering = asyncio.Event()
        self.answering.set()
        self.attempts = 0
        self._changed = asyncio.Condition()

    @property
    def tasks(self) -> list[NewTask]:
        return [task for call in self.calls for task in call]

    async def create_tasks(self, batch: Sequence[NewTask]) -> list[Created]:
        self.attempts += 1
        await self._notify()
        await self.answering.wait()
        if self.failure is not None:
            raise self.failure
        self.calls.append(list(batch))
        await self._notify()
        return [self._answer(id_, task) for id_, task in enumerate(batch)]

    async def declare(self, jobs: Sequence[DeclaredJob], before_ms: int) -> Mapping[str, int]:
        self.declarations += 1
        await self._notify()
        if self.failure is not None:
            raise self.failure
        self.declared.append(list(jobs))
        await self._notify()
        return self.last_ticks if before_ms else {}

    async def record_gaps(self, gaps: Sequence[Gap]) -> None:
        if self.failure is not None:
            raise self.failure
        self.gaps += gaps
        await self._notify()

    async def until(self, happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(5), self._changed:
            await self._changed.wait_for(happened)

    def go_away(self) -> None:
        self.failure = TaskServerAway("the cellar: cannot be reached")

    def come_back(self) -> None:
        self.failure = None

    def _answer(self, id_: int, task: NewTask) -> Created:
        if task.cron_source in self.refused:
            return Created(code=108, error=self.refused[task.cron_source])
        return Created(id=id_)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


Answer = Callable[[dict[str, Any]], object]


@asynccontextmanager
async def open_rpc_port(answer: Answer) -> AsyncIterator[str]:
    """The URL of a real server that answers each POST with what ``answer`` makes of the call."""

    async def post(request: web.Request) -> web.Response:
        reply = answer(msgspec.json.decode(await request.read()))
        return reply if isinstance(reply, web.Response) else web.json_response(reply)

    application = web.Application(client_max_size=2**27)
    application.router.add_post("/", post)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}/"
    finally:
        await runner.cleanup()
