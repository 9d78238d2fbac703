"""
The ledger balances although the server is killed again and again.

Two minutes and five kills, unless ``CRONPROBE_ACCEPTANCE_SECONDS`` says otherwise.
"""

import asyncio
import math
import os
import socket
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from protocol.outcomes import Outcome, Reason
from tests.acceptance.resending_agent import ResendingAgent
from tests.postgres import Database
from tests.processes import ROOT, ServerProcess, agent_config, agent_token_limits, call, run, run_server

pytestmark = pytest.mark.acceptance

SECONDS = float(os.environ.get("CRONPROBE_ACCEPTANCE_SECONDS", "120"))
KILLS = 5
DOWN_S = 1.0
TIMEOUT_S = 5
AGENTS = {
    "real": "e8583352-39e8-5a5b-b66c-e450689088fd",
    "hand-1": "0b6a6d2e-7f0e-4c39-9d7a-1f5f0c1a9e11",
    "hand-2": "5f0c2f4e-4f43-4b0e-9d6a-2a4a7c9d1b10",
}
JOBS = 24


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port: int = holder.getsockname()[1]
        return port


def write_jobs(directory: Path, target_port: int) -> Path:
    """Jobs of every second, the last of which fails."""
    agents = "".join(f"  {name}: {{uuid: {uuid}}}\n" for name, uuid in AGENTS.items())
    head = f"version: 1\nagents:\n{agents}defaults: {{agents: all, timeout: {TIMEOUT_S}s}}\njobs:\n"
    ports = [target_port] * (JOBS - 1) + [1]
    jobs = [
        f'  job-{n}: {{schedule: "* * * * * *", task: {{tcp_ping: "127.0.0.1:{port}"}}}}\n'
        for n, port in enumerate(ports)
    ]
    file = directory / "jobs.yaml"
    file.write_text(head + "".join(jobs))
    return file


async def ticks(http: aiohttp.ClientSession, url: str) -> dict[str, int]:
    """The scheduler's count of ticks by outcome."""
    async with http.get(f"{url}/metrics") as response:
        families = text_string_to_metric_families(await response.text())
        return {
            sample.labels["outcome"]: int(sample.value)
            for family in families
            for sample in family.samples
            if sample.name == "cronprobe_scheduler_ticks_total"
        }


def due_since(first_s: int, now_s: float) -> int:
    """How many ticks the job file makes due from ``first_s`` to now, by the wall clock."""
    return (math.floor(now_s) - first_s + 1) * JOBS * len(AGENTS)


async def settled(http: aiohttp.ClientSession, url: str, first_s: int) -> tuple[int, dict[str, int]]:
    """Wait, to the middle of a second, for a moment in which every due tick is delivered or missed."""
    async with asyncio.timeout(90):
        while True:
            await asyncio.sleep(1.5 - time.time() % 1)
            counted = await ticks(http, url)
            now_s = time.time()
            due = due_since(first_s, now_s)
            if now_s % 1 < 0.8 and sum(counted.values()) == due:
                return due, counted


class MortalServer:
    """A server that is killed and started again, always on the same port and the same store."""

    def __init__(self, state: Path, port: int, store: str | None) -> None:
        self._state = state
        self._store = store
        self._port = port
        self._stack = AsyncExitStack()
        self.kills = 0

    async def start(self) -> ServerProcess:
        """Start it; it listens."""
        self.server = await self._stack.enter_async_context(run_server(self._state, port=self._port, store=self._store))
        return self.server

    async def kill(self) -> None:
        """As a power cut would."""
        await self.server.process.kill()
        self.kills += 1

    async def close(self) -> None:
        """Reap what is left."""
        await self._stack.aclose()


@asynccontextmanager
async def hand_written_agents(
    http: aiohttp.ClientSession, server: ServerProcess
) -> AsyncIterator[list[ResendingAgent]]:
    agents = [
        ResendingAgent(http, url=server.url, token=ROOT, uuid=uuid)
        for name, uuid in AGENTS.items()
        if name.startswith("hand")
    ]
    running = [asyncio.create_task(agent.run(), name="hand-written agent") for agent in agents]
    try:
        yield agents
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def nothing_runs(url: str) -> None:
    """Wait until every task has its end; a restart gives each its whole time again."""
    async with call(url) as caller, asyncio.timeout(2 * TIMEOUT_S + 5):
        while await caller.rows("is_running", "last"):
            await asyncio.sleep(0.2)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.external("postgres"))])
def stored_in(request: pytest.FixtureRequest) -> Database | None:
    """A PostgreSQL; ``None`` is SQLite in the state directory."""
    if request.param == "sqlite":
        return None
    database: Database = request.getfixturevalue("database")
    return database


async def stored_rows(state: Path, stored_in: Database | None) -> list[Sequence[Any]]:
    """All rows as they are in the database once the server is gone."""
    query = "SELECT id, job_id, agent_id, scheduled_ms, finished_ms, success, reason, latency_ms, flags FROM task"
    if stored_in is not None:
        async with stored_in.cluster.connect(stored_in.name) as connection:
            return [tuple(row) for row in await connection.fetch(query)]
    database = sqlite3.connect(state / "cronprobe.db")
    try:
        return database.execute(query).fetchall()
    finally:
        database.close()


async def test_the_ledger_balances_over_five_kills(tmp_path: Path, stored_in: Database | None) -> None:
    target = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    jobs = write_jobs(tmp_path, target.sockets[0].getsockname()[1])
    scheduler_port = free_port()
    scheduler_url = f"http://127.0.0.1:{scheduler_port}"
    mortal = MortalServer(tmp_path / "state", free_port(), None if stored_in is None else stored_in.url)
    try:
        server = await mortal.start()
        async with call(server.url) as caller:
            token = await caller.make_token(agent_token_limits(AGENTS["real"]))
            config = agent_config(
                tmp_path, name="real", uuid=AGENTS["real"], server_uuid=server.uuid, token=token, url=server.url
            )
            flags = ("--server", server.url, "--metrics-listen", f"127.0.0.1:{scheduler_port}")
            async with (
                hand_written_agents(caller.http, server) as agents,
                run("agent", "--config", config, directory=tmp_path) as real,
                run("scheduler", jobs, *flags, directory=tmp_path, CRONPROBE_TOKEN=ROOT) as scheduler,
            ):
                started = await scheduler.says(r"timestamp=(\S+) .*event=\"?scheduler started")
                first_s = math.ceil(datetime.fromisoformat(started[1]).timestamp())
                for _ in range(KILLS):
                    await asyncio.sleep(SECONDS / (KILLS + 1))
                    await mortal.kill()
                    await asyncio.sleep(DOWN_S)
                    server = await mortal.start()
                await asyncio.sleep(SECONDS / (KILLS + 1))
                due, counted = await settled(caller.http, scheduler_url, first_s)
                await scheduler.stop()
                await nothing_runs(server.url)
                assert [agent.waiting for agent in agents] == [0, 0]
                await real.stop()
            await server.process.stop()
    finally:
        await mortal.close()
        target.close()
        await target.wait_closed()

    rows = await stored_rows(tmp_path / "state", stored_in)
    outcomes = Counter("running" if row[4] is None else outcome(row[6]) for row in rows)
    reasons = Counter(Reason(row[6]).word for row in rows if row[6] is not None)
    acknowledged = {id_: latency for agent in agents for id_, latency in agent.acknowledged.items()}
    print_ledger(due, counted, outcomes, reasons, len(acknowledged), agents, mortal.kills)

    assert mortal.kills == KILLS
    assert all(agent.connections > KILLS for agent in agents)
    assert outcomes["running"] == 0
    assert len({row[1:4] for row in rows}) == len(rows)
    stored = {row[0]: (row[5], row[7]) for row in rows}
    lost = [id_ for id_, latency in acknowledged.items() if stored.get(id_) != (latency is not None, latency)]
    assert lost == []
    assert [agent.refused for agent in agents] == [[], []]
    assert due == outcomes["ok"] + outcomes["failed"] + outcomes["unknown"] + counted["missed"]
    assert outcomes["ok"] > 0
    assert outcomes["failed"] > 0
    assert outcomes["unknown"] > 0


def outcome(reason: int | None) -> str:
    return Outcome.OK if reason is None else Reason(reason).outcome


def print_ledger(
    due: int,
    counted: dict[str, int],
    outcomes: Counter[str],
    reasons: Counter[str],
    acknowledged: int,
    agents: list[ResendingAgent],
    kills: int,
) -> None:
    known = " + ".join(f"{outcomes[word]} {word}" for word in ("ok", "failed", "unknown"))
    print(f"\nledger: {due} due = {known} + {counted['missed']} missed")
    print(f"  server killed {kills} times; {acknowledged} results acknowledged to the hand-written agents")
    print(f"  their connections: {[agent.connections for agent in agents]}; refused: {[a.refused[:3] for a in agents]}")
    print(f"  reasons: {dict(reasons)}; still running: {outcomes['running']}; scheduler: {counted}")
