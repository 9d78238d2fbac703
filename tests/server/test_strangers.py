"""What peers and failures outside must not be able to do to the server."""

import asyncio
import json
import re

from protocol.errors import StoreFailed
from protocol.outcomes import Reason
from server.deadlines import Deadlines
from server.results import Results
from server.running import Lane, RunningTask, RunningTasks, Series
from tests.server.rig import AGENT, ROOT, Rig, new_task

SERIES = Series(
    agent_uuid=AGENT,
    type_name="ping",
    task_text=b'{"ping":"a"}',
    timeout_ms=100,
    job_id=1,
    spec_id=1,
    agent_id=1,
    stats=None,
    cron_source="job",
    lane=Lane(),
)


class StoreInTrouble:
    """A writer whose first commits fail."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.written: list[object] = []

    async def write(self, change: object) -> None:
        if self.failures:
            self.failures -= 1
            raise StoreFailed("disk full")
        self.written.append(change)


class NoMetrics:
    """Sessions and metrics that nobody looks at."""


async def test_a_task_whose_end_cannot_be_stored_ends_when_it_can() -> None:
    running, writer = RunningTasks(), StoreInTrouble(2)
    results = Results(
        running=running,
        series=NoMetrics(),  # type: ignore[arg-type]
        sessions=NoMetrics(),  # type: ignore[arg-type]
        writer=writer,  # type: ignore[arg-type]
        store=NoMetrics(),  # type: ignore[arg-type]
        metrics=NoMetrics(),  # type: ignore[arg-type]
        now_ms=lambda: 1_000_000,
        on_stored=lambda _ids: None,
    )
    ended: list[Reason | None] = []
    results.listen(lambda finished: ended.extend(run.reason for run in finished))
    deadlines = Deadlines(running=running, results=results, now_ms=lambda: 1_000_000)
    task = RunningTask(1, "token", SERIES, 0, 100, 0)
    running.add([task])
    deadlines.watch([task])
    for _ in range(3):
        assert ended == []
        await deadlines.end_due()
    assert (ended, len(running), len(writer.written)) == ([Reason.NO_RESULT], 0, 1)


async def test_an_agent_that_leaves_while_it_registers_is_not_here(rig: Rig) -> None:
    register = {"jsonrpc": "2.0", "id": 1, "method": "task_register_task", "params": [ROOT, AGENT]}
    for _ in range(10):
        async with rig.peer() as peer:
            await peer.send(json.dumps(register))
    async with asyncio.timeout(5):
        while any(agent["connected"] for agent in await rig.root.call("agent_list")):
            await asyncio.sleep(0)
    [created] = await rig.root.call("task_create_batch", [new_task()])
    [row] = await rig.root.rows({"task_id": created["id"]}, detail=True)
    assert row["reason"] == "agent_offline"


async def test_a_listener_that_fails_harms_nobody(rig: Rig) -> None:
    def listener(_finished: object) -> None:
        raise ValueError("a bug")

    rig.server.results.listen(listener)
    async with rig.agent() as agent:
        await rig.root.call("task_create_batch", [new_task()])
        uploaded = await agent.upload(agent.response(await agent.task(), {"ping": 1.0}))
    assert "result" in uploaded


async def test_a_latency_that_cannot_be_is_kept_and_not_measured(rig: Rig) -> None:
    async with rig.agent() as agent:
        for second, latency in enumerate((-1e308, 1e308, 2.0)):
            await rig.root.call("task_create_batch", [new_task(second * 1_000)])
            await agent.upload(agent.response(await agent.task(), {"ping": latency}))
    rows = await rig.root.rows()
    assert sorted(row["task_event_result"]["ping"] for row in rows) == [-1e308, 2.0, 1e308]
    _, page = await rig.root.page("/metrics")
    assert re.findall(r"cronprobe_latency_seconds_(?:sum|count)\{.*\} (.*)", page) == ["0.002", "1"]


async def test_what_an_agent_says_of_itself_is_a_short_label(rig: Rig) -> None:
    async with rig.peer() as peer:
        params = [ROOT, AGENT, {"client": "x\n" * 1_000}]
        await peer.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "task_register_task", "params": params}))
        await peer.frame()
        [agent] = await rig.root.call("agent_list")
    assert agent["version"] == "x" * 32


async def test_a_name_goes_to_the_machine_that_has_it_now(rig: Rig) -> None:
    other = "0b6a6d2e-7f0e-4c39-9d7a-1f5f0c1a9e11"
    await rig.root.call("task_create_batch", [new_task(agent_name="fra-1")])
    await rig.root.call("task_create_batch", [new_task(agent_name="fra-1", target_uuid=other)])
    names = {agent["uuid"]: agent["name"] for agent in await rig.root.call("agent_list")}
    assert names == {AGENT: AGENT, other: "fra-1"}
