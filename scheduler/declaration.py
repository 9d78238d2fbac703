"""
Tells the task server what the live job file says, so that callers can be shown it. No tick waits for this.

Again from time to time: a server may have lost its store meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Never

import msgspec
import structlog
from msgspec import Raw

from protocol.crontab import DeclaredAgent, DeclaredCell, DeclaredJob
from protocol.errors import Error
from scheduler.definition import definition
from scheduler.jobs import Job, JobFile
from scheduler.taskserver import TaskServer, TaskServerAway

AGAIN_S = 300.0
RETRY_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)

OnLastTicks = Callable[[Sequence[Job], Mapping[str, int]], Awaitable[None]]
"""Takes the jobs and when they had their last tick, ms since the epoch."""

_log = structlog.get_logger()


def declared(file: JobFile) -> list[DeclaredJob]:
    """The jobs in the form that travels: an agent's labels once, where it is named first."""
    labels = {agent.uuid: dict(agent.labels) for agent in file.agents.values()}
    return [
        DeclaredJob(
            name=job.name,
            schedule=str(job.shown.get("schedule", job.schedule)),
            timezone=str(job.shown.get("timezone", job.timezone)),
            enabled=job.enabled,
            agents=tuple(DeclaredAgent(agent.uuid, agent.name, labels.pop(agent.uuid, {})) for agent in job.agents),
            task=Raw(job.cells[0].task_text),
            cells=tuple(DeclaredCell(cell.name, cell.type_name, cell.target) for cell in job.cells),
            labels=dict(job.labels),
            definition=Raw(msgspec.json.encode(definition(job))),
            retention_ms=job.retention_ms,
        )
        for job in file.jobs
    ]


class Declaration:
    """
    Declares the jobs of a file to ``server``, and other ones as soon as they change.

    The first time it learns when jobs had their last tick before ``started_ms``, and tells ``on_last_ticks``.
    """

    def __init__(self, file: JobFile, server: TaskServer, started_ms: int, on_last_ticks: OnLastTicks) -> None:
        self._file = file
        self._server = server
        self._started_ms = started_ms
        self._on_last_ticks = on_last_ticks
        self._changed = asyncio.Event()

    def change(self, file: JobFile) -> None:
        """Declare these from now on."""
        self._file = file
        self._changed.set()

    async def run(self) -> Never:
        """Declare, until cancelled."""
        failures = 0
        last = ""
        while True:
            pause_s = AGAIN_S
            self._changed.clear()
            try:
                await self._declare()
                failures, last = 0, ""
            except Error as e:
                if isinstance(e, TaskServerAway):
                    pause_s = RETRY_S[min(failures, len(RETRY_S) - 1)]
                    failures += 1
                if str(e) != last:
                    _log.warning("job file not shown by the server; ticks do not wait for this", why=str(e))
                last = str(e)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), pause_s)

    async def _declare(self) -> None:
        file = self._file
        last_ticks = await self._server.declare(await asyncio.to_thread(declared, file), self._started_ms)
        if self._started_ms:
            await self._on_last_ticks(file.jobs, last_ticks)
            self._started_ms = 0


@asynccontextmanager
async def open_declaration(
    file: JobFile, server: TaskServer, *, started_ms: int, on_last_ticks: OnLastTicks
) -> AsyncIterator[Declaration]:
    """Keep the server told until this is left."""
    declaration = Declaration(file, server, started_ms, on_last_ticks)
    declaring = asyncio.create_task(declaration.run(), name="declaration")
    try:
        yield declaration
    finally:
        declaring.cancel()
        await asyncio.wait([declaring])
