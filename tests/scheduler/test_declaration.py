"""The scheduler tells the server what the job file says, and no tick waits for that."""

import json
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

import scheduler.declaration
from scheduler.app import open_scheduler
from scheduler.jobfile import load
from scheduler.jobs import JobFile
from scheduler.taskserver import TaskServerRefused, open_rpc_task_server
from tests.processes import ROOT_DIRECTORY
from tests.scheduler.fakes import MemoryTaskServer, open_rpc_port


@pytest.fixture
def jobs() -> JobFile:
    return load([ROOT_DIRECTORY / "jobs.example.yaml"])


async def test_the_job_file_is_declared_at_the_start(jobs: JobFile) -> None:
    server = MemoryTaskServer()
    async with open_scheduler(jobs, server, registry=CollectorRegistry()):
        await server.until(lambda: bool(server.declared))
    [declared] = server.declared
    assert [(job.name, job.schedule, job.enabled) for job in declared][:2] == [
        ("ping-self", "*/5 * * * * *", True),
        ("tcp-self", "@every 5s", True),
    ]
    assert json.loads(bytes(declared[0].task)) == {"ping": "127.0.0.1"}
    assert [(agent.name, agent.uuid) for agent in declared[0].agents] == [
        ("local", "e8583352-39e8-5a5b-b66c-e450689088fd")
    ]


async def test_it_is_declared_when_a_server_that_was_away_is_back(
    jobs: JobFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler.declaration, "RETRY_S", (0.01,))
    server = MemoryTaskServer()
    server.go_away()
    async with open_scheduler(jobs, server, registry=CollectorRegistry()):
        await server.until(lambda: server.declarations > 1)
        assert server.declared == []
        server.come_back()
        await server.until(lambda: bool(server.declared))


async def test_a_refusal_is_an_error_and_the_call_is_as_agreed(jobs: JobFile) -> None:
    calls: list[dict[str, Any]] = []

    def answer(call: dict[str, Any]) -> object:
        calls.append(call)
        return {"jsonrpc": "2.0", "id": call["id"], "error": {"code": 102, "message": "no"}}

    async with open_rpc_port(answer) as url, open_rpc_task_server(url, "key:secret") as server:
        with pytest.raises(TaskServerRefused, match="refused: no"):
            await server.declare(scheduler.declaration.declared(jobs), 7)
    assert calls[0]["method"] == "job_declare"
    assert calls[0]["params"][0] == "key:secret"
    assert len(calls[0]["params"][1]) == 4
    assert calls[0]["params"][2] == 7
