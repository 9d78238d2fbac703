"""
The composition root: a connection to each server, one worker for all, started and stopped together.

On leaving, probes in flight have a short grace, what they found is sent, and every server gets a close frame.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from importlib import metadata
from pathlib import Path
from random import Random

from agent.config import Config, ServerConfig
from agent.connection import Connection
from agent.probes import open_probes
from agent.spool import Spool
from agent.worker import Limits, Worker
from protocol.methods.task import ClientInfo

STOP_GRACE_S = 0.3
EDITED_LEAST_S = 0.3
EDITED_MOST_S = 2.0


class Spools:
    """The spools by server, which outlive an agent that starts anew with another configuration."""

    def __init__(self) -> None:
        self._by_server: dict[tuple[str, str, int], Spool] = {}

    def of(self, servers: Sequence[ServerConfig], size: int) -> list[Spool]:
        """Each server's spool, a new one for a server that is new; two entries of one server have one each."""
        found: list[Spool] = []
        seen: Counter[tuple[str, str]] = Counter()
        for server in servers:
            name = (server.name, server.server_uuid)
            key = (*name, seen[name])
            seen[name] += 1
            known = self._by_server.get(key)
            if known is None:
                known = self._by_server[key] = Spool(server_name=server.name, token=server.token, size=size)
            else:
                known.renew(token=server.token, size=size)
            found.append(known)
        return found


class Agent:
    """A running agent, as the process that holds it sees it. ``edited`` is set when its file was replaced."""

    def __init__(self, spools: list[Spool]) -> None:
        self.edited = asyncio.Event()
        self._spools = spools

    async def wait_edited(self) -> None:
        """Until its file was replaced and the servers have what it owes them, or do not take it."""
        await self.edited.wait()
        await asyncio.sleep(EDITED_LEAST_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(EDITED_MOST_S - EDITED_LEAST_S):
                for spool in self._spools:
                    await spool.wait_empty()


@asynccontextmanager
async def open_agent(config: Config, *, file: Path | None = None, spools: Spools | None = None) -> AsyncIterator[Agent]:
    """
    An agent that runs while the context is open; leaving takes less than a second.

    ``file`` is where ``config`` came from, ``None`` for nowhere. ``spools`` are those of the agent before it.

    Raises:
        ExceptionGroup: a part of the agent failed on its own; the body was cancelled.
    """
    client_info = ClientInfo(client=f"cronprobe/{_version()}", batch=True, labels=config.labels)
    limits = Limits(
        network_seats=config.network_seats,
        terminals=config.web_shell_sessions,
        network_s=config.network_timeout_ms / 1000,
        task_s=config.task_timeout_ms / 1000,
    )
    owed = (spools or Spools()).of(config.servers, config.spool_size)
    agent = Agent(owed)
    async with open_probes(config, file, agent.edited.set) as probes, asyncio.TaskGroup() as group:
        worker = Worker(agent_uuid=config.agent_uuid, probes=probes, limits=limits, now_ms=_now_ms, group=group)
        runs = []
        for server, spool in zip(config.servers, owed, strict=True):
            connection = Connection(
                server=server,
                agent_uuid=config.agent_uuid,
                client_info=client_info,
                connect_limit_s=config.connect_timeout_ms / 1000,
                spool=spool,
                worker=worker,
                rng=Random(),  # noqa: S311 spreads reconnects, guards nothing
            )
            runs.append(group.create_task(connection.run(), name=f"connection to {server.name}"))
        try:
            yield agent
        finally:
            await worker.stop(STOP_GRACE_S)
            for run in runs:
                run.cancel()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _version() -> str:
    try:
        return metadata.version("cronprobe")
    except metadata.PackageNotFoundError:
        return "0"
