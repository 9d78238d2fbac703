"""The whole scheduler, from a job file to tasks in a server, by the real clock."""

import asyncio
import time
from pathlib import Path

import uvloop
from prometheus_client import CollectorRegistry

from scheduler.app import open_scheduler
from scheduler.jobfile import load
from scheduler.jobs import JobFile
from scheduler.taskserver import open_rpc_task_server
from tests.scheduler.fakes import MemoryTaskServer, open_rpc_port

HEAD = (
    "version: 1\n"
    "agents:\n"
    "  fra-1: {uuid: e8583352-39e8-5a5b-b66c-e450689088fd}\n"
    "  nyc-1: {uuid: 0b6a6d2e-7f0e-4c39-9d7a-1f5f0c1a9e11}\n"
    "defaults: {agents: all}\n"
    "jobs:\n"
)


def job_file(directory: Path, jobs: dict[str, str]) -> JobFile:
    file = directory / "jobs.yaml"
    file.write_text(HEAD + "".join(f"  {name}: {{task: {{ping: h}}, {keys}}}\n" for name, keys in jobs.items()))
    return load([file])


async def test_every_second_fires_once_at_its_exact_nominal_time(tmp_path: Path) -> None:
    jobs = job_file(
        tmp_path, {"a": 'schedule: "* * * * * *"', "b": 'schedule: "@every 1s", agents: [nyc-1], timeout: 3s'}
    )
    server = MemoryTaskServer()

    before_ms = time.time() * 1_000
    async with open_scheduler(jobs, server, registry=CollectorRegistry()):
        await server.until(lambda: len(server.tasks) >= 6)
    after_ms = time.time() * 1_000
    of_a = [task for task in server.tasks if task.cron_source == "a"]
    seconds = sorted({task.scheduled_at for task in of_a})
    assert seconds == [seconds[0], seconds[0] + 1_000]
    assert seconds[0] % 1_000 == 0
    assert before_ms < seconds[0] < seconds[1] <= after_ms
    assert [task.agent_name for task in of_a] == ["fra-1", "nyc-1"] * 2
    of_b = [(task.scheduled_at, task.target_uuid, task.timeout_ms) for task in server.tasks if task.cron_source == "b"]
    assert of_b == [(second, "0b6a6d2e-7f0e-4c39-9d7a-1f5f0c1a9e11", 3_000) for second in seconds]
    assert {bytes(task.task_type) for task in server.tasks} == {b'{"ping":"h"}'}


def test_ticks_that_passed_while_the_process_stood_still_are_delivered_late_with_uvloop(tmp_path: Path) -> None:
    jobs = job_file(tmp_path, {"a": 'schedule: "* * * * * *", agents: [nyc-1]'})
    server = MemoryTaskServer()

    async def run() -> None:
        async with open_scheduler(jobs, server, registry=CollectorRegistry()):
            time.sleep(2.01)
            await server.until(lambda: len(server.tasks) >= 2)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    first, second, *_ = [task.scheduled_at for task in server.tasks]
    assert second - first == 1_000


async def test_there_is_one_apscheduler_job_per_distinct_schedule(tmp_path: Path) -> None:
    jobs = {f"a{n}": 'schedule: "0 0 * * *"' for n in range(20)}
    jobs |= {f"b{n}": 'schedule: "0 0 * * *", timezone: Europe/Berlin' for n in range(20)}
    jobs |= {"c": 'schedule: "0  0 * * *"', "d": 'schedule: "@daily", enabled: false'}
    async with open_scheduler(job_file(tmp_path, jobs), MemoryTaskServer(), registry=CollectorRegistry()) as scheduler:
        assert scheduler.schedules == 2


async def test_a_disabled_job_has_no_schedule(tmp_path: Path) -> None:
    jobs = job_file(tmp_path, {"runs": 'schedule: "@every 1h"', "rests": 'schedule: "@every 2h", enabled: false'})
    async with open_scheduler(jobs, MemoryTaskServer(), registry=CollectorRegistry()) as scheduler:
        assert scheduler.schedules == 1


async def test_all_series_are_there_from_the_start(tmp_path: Path) -> None:
    jobs = job_file(tmp_path, {"runs": 'schedule: "@yearly"', "rests": 'schedule: "@yearly", enabled: false'})
    registry = CollectorRegistry()
    async with open_scheduler(jobs, MemoryTaskServer(), registry=registry, now_ms=lambda: 1_500):
        pass
    for outcome in ("fired", "overlap", "missed"):
        assert registry.get_sample_value("cronprobe_scheduler_ticks_total", {"outcome": outcome}) == 0
    for state in ("enabled", "disabled"):
        assert registry.get_sample_value("cronprobe_scheduler_jobs", {"state": state}) == 1
    assert registry.get_sample_value("cronprobe_scheduler_lag_seconds_count") == 0
    assert registry.get_sample_value("cronprobe_scheduler_leader") == 1
    assert registry.get_sample_value("cronprobe_config_last_reload_successful") == 1
    assert registry.get_sample_value("cronprobe_config_last_reload_success_timestamp_seconds") == 1.5


async def test_it_stops_within_a_second_and_fires_no_more(tmp_path: Path) -> None:
    server = MemoryTaskServer()
    jobs = job_file(tmp_path, {"a": 'schedule: "* * * * * *"'})
    async with open_scheduler(jobs, server, registry=CollectorRegistry()):
        server.answering.clear()
        await server.until(lambda: server.attempts == 1)
        start = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - start < 1.0
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_the_jobs_and_the_tasks_arrive_over_rpc(tmp_path: Path) -> None:
    arrived: asyncio.Queue[dict[str, object]] = asyncio.Queue()

    def answer(call: dict[str, object]) -> object:
        arrived.put_nowait(call)
        return {"jsonrpc": "2.0", "id": call["id"], "result": [{"id": 1}, {"id": 2}]}

    jobs = job_file(tmp_path, {"a": 'schedule: "* * * * * *"'})
    async with (
        open_rpc_port(answer) as url,
        open_rpc_task_server(url, "token") as server,
        open_scheduler(jobs, server, registry=CollectorRegistry()),
        asyncio.timeout(5),
    ):
        assert {(await arrived.get())["method"] for _ in range(2)} == {"job_declare", "task_create_batch"}
