"""
Tells the task server what the live job file says, so that callers can be shown it. No tick waits for this.

Again from time to time: a server may have lost its store meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Never

import structlog
from msgspec import Raw

from protocol.crontab import DeclaredAgent, DeclaredJob
from protocol.errors import Error
from scheduler.jobs import Job
from scheduler.taskserver import TaskServer, TaskServerAway

AGAIN_S = 300.0
RETRY_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)

_log = structlog.get_logger()


def declared(jobs: Sequence[Job]) -> list[DeclaredJob]:
    """The jobs in the form that travels."""
    return [
        DeclaredJob(
            name=job.name,
            schedule=job.schedule,
            timezone=job.timezone,
            enabled=job.enabled,
            agents=tuple(DeclaredAgent(agent.uuid, agent.name) for agent in job.agents),
            task=Raw(job.task_text),
        )
        for job in jobs
    ]


@asynccontextmanager
async def open_declaration(jobs: Sequence[Job], server: TaskServer) -> AsyncIterator[None]:
    """Keep the server told until this is left."""
    declaring = asyncio.create_task(_declare(declared(jobs), server), name="declaration")
    try:
        yield
    finally:
        declaring.cancel()
        await asyncio.wait([declaring])


async def _declare(jobs: Sequence[DeclaredJob], server: TaskServer) -> Never:
    failures = 0
    last = ""
    while True:
        pause_s = AGAIN_S
        try:
            await server.declare(jobs)
            failures, last = 0, ""
        except Error as e:
            if isinstance(e, TaskServerAway):
                pause_s = RETRY_S[min(failures, len(RETRY_S) - 1)]
                failures += 1
            if str(e) != last:
                _log.warning("job file not shown by the server; ticks do not wait for this", why=str(e))
            last = str(e)
        await asyncio.sleep(pause_s)
