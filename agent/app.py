"""
The composition root: a connection to each server, one worker for all, started and stopped together.

On leaving, probes in flight have a short grace, what they found is sent, and every server gets a close frame.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata
from random import Random

from agent.config import Config
from agent.connection import Connection
from agent.probes import open_probes
from agent.spool import Spool
from agent.worker import Worker
from protocol.methods.task import ClientInfo

STOP_GRACE_S = 0.3


@asynccontextmanager
async def open_agent(config: Config) -> AsyncIterator[None]:
    """
    An agent that runs while the context is open; leaving takes less than a second.

    Raises:
        ExceptionGroup: a part of the agent failed on its own; the body was cancelled.
    """
    client_info = ClientInfo(client=f"cronprobe/{_version()}", batch=True, labels=config.labels)
    with open_probes() as probes:
        async with asyncio.TaskGroup() as group:
            worker = Worker(
                agent_uuid=config.agent_uuid,
                probes=probes,
                network_seats=config.network_seats,
                now_ms=_now_ms,
                group=group,
            )
            runs = []
            for server in config.servers:
                connection = Connection(
                    server=server,
                    agent_uuid=config.agent_uuid,
                    client_info=client_info,
                    connect_limit_s=config.connect_timeout_ms / 1000,
                    spool=Spool(server_name=server.name, token=server.token, size=config.spool_size),
                    worker=worker,
                    rng=Random(),  # noqa: S311 spreads reconnects, guards nothing
                )
                runs.append(group.create_task(connection.run(), name=f"connection to {server.name}"))
            try:
                yield
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
