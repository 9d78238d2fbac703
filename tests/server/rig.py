"""What a test holds of a running server."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client import CollectorRegistry

from server.app import Server, open_server
from server.config import Config
from server.results import Finished
from tests.fakes import BATCHING, DEADLINE_S, Caller, FakeAgent, Peer, open_agent, open_peer

AGENT = "5f0c2f4e-4f43-4b0e-9d6a-2a4a7c9d1b10"
OTHER = "0b6a6d2e-7f0e-4c39-9d7a-1f5f0c1a9e11"
ROOT = "rootkey:0123456789abcdef0123456789abcdef"


class Rig:
    """A running server with everything that a test wants of it."""

    def __init__(self, server: Server, http: aiohttp.ClientSession, state_dir: Path) -> None:
        self.server = server
        self.http = http
        self.state_dir = state_dir
        self.url = f"http://127.0.0.1:{server.port}"
        self.root = Caller(http, self.url, ROOT)
        self.ended: list[Finished] = []
        self._news = asyncio.Event()
        server.results.listen(self._listen)

    def _listen(self, finished: Sequence[Finished]) -> None:
        self.ended.extend(finished)
        self._news.set()

    async def until_ended(self, count: int) -> None:
        """Wait until so many runs are stored with their end."""
        async with asyncio.timeout(DEADLINE_S):
            while len(self.ended) < count:
                self._news.clear()
                await self._news.wait()

    def peer(self) -> AbstractAsyncContextManager[Peer]:
        """A WebSocket."""
        return open_peer(self.http, self.url)

    def agent(
        self, uuid: str = AGENT, *, token: str = ROOT, stock: bool = False
    ) -> AbstractAsyncContextManager[FakeAgent]:
        """A registered agent; with ``stock`` one of NodeGet's."""
        return open_agent(self.http, self.url, token, uuid, None if stock else BATCHING)

    def database(self) -> sqlite3.Connection:
        """A connection of our own to the store's file."""
        return sqlite3.connect(self.state_dir / "cronprobe.db", isolation_level=None)

    @contextmanager
    def no_commits(self) -> Iterator[None]:
        """While this is open the store's commits wait."""
        blocker = self.database()
        blocker.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            blocker.execute("ROLLBACK")
            blocker.close()


OpenRig = Callable[..., AbstractAsyncContextManager[Rig]]


@asynccontextmanager
async def open_rig_in(state_dir: Path, **settings: Any) -> AsyncIterator[Rig]:
    """A server on the directory; a second time, it is the same store again."""
    config = Config(**{"port": 0, "state_dir": state_dir, "root_token": ROOT, "rejection_delay_s": 0.0, **settings})
    timeout = aiohttp.ClientTimeout(total=DEADLINE_S)
    async with (
        open_server(config, registry=CollectorRegistry()) as server,
        aiohttp.ClientSession(timeout=timeout) as http,
    ):
        yield Rig(server, http, state_dir)


def new_task(scheduled_at: int = 1_000, **members: object) -> dict[str, Any]:
    """An item of ``task_create_batch``; its tick is never late, unless ``members`` say so."""
    return {
        "target_uuid": AGENT,
        "task_type": {"ping": "host.example"},
        "cron_source": "job",
        "scheduled_at": 4_000_000_000_000 + scheduled_at,
        "timeout_ms": 60_000,
        **members,
    }
