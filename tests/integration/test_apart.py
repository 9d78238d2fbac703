"""Server, scheduler and agent as separate processes over loopback: from a job file to rows and back out."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from click.testing import CliRunner
from typer.core import TyperGroup
from typer.main import get_command

from cli import VERBS, app
from tests.fakes import Caller
from tests.processes import (
    ROOT,
    ROOT_DIRECTORY,
    START_S,
    ServerProcess,
    agent_config,
    agent_token_limits,
    call,
    run,
    run_server,
    say,
)

AGENT = "e8583352-39e8-5a5b-b66c-e450689088fd"
MEMBERS = [
    "cron_source",
    "error_message",
    "success",
    "task_event_result",
    "task_event_type",
    "task_id",
    "timestamp",
    "uuid",
]


@asynccontextmanager
async def target() -> AsyncIterator[int]:
    """A web server to be probed; gives its port."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.method} {await request.text()}")

    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def write_jobs(directory: Path, port: int) -> Path:
    request = (
        f'{{url: "http://127.0.0.1:{port}/x", method: POST, headers: {{content-type: text/plain}}, body: hello, '
        "ip: ipv4 auto}"
    )
    tasks = {
        "a-ping": "{ping: 127.0.0.1}",
        "a-tcp": f'{{tcp_ping: "127.0.0.1:{port}"}}',
        "a-http": f'{{http_ping: "http://127.0.0.1:{port}/"}}',
        "a-request": f"{{http_request: {request}}}",
        "a-refused": '{tcp_ping: "127.0.0.1:1"}',
    }
    lines = [f'  {name}: {{schedule: "@every 1s", agents: all, task: {task}}}\n' for name, task in tasks.items()]
    file = directory / "jobs.yaml"
    file.write_text(f"version: 1\nagents:\n  fra-1: {{uuid: {AGENT}}}\njobs:\n" + "".join(lines))
    return file


async def write_agent(directory: Path, server: ServerProcess, caller: Caller) -> Path:
    token = await caller.make_token(agent_token_limits(AGENT))
    return agent_config(
        directory, name="agent", uuid=AGENT, server_uuid=server.uuid, token=token, url=f"{server.url}/nodeget/rpc"
    )


async def rows_of(caller: Caller, name: str, success: str) -> list[dict[str, Any]]:
    """Wait for rows of the job; the newest."""
    rows: list[dict[str, Any]] = []
    async with asyncio.timeout(15):
        while not rows:
            rows = await caller.rows({"cron_source": name}, success, "last")
    return rows


async def test_results_of_the_four_probes_arrive_and_all_end_within_two_seconds_of_sigterm(tmp_path: Path) -> None:
    async with target() as port, run_server(tmp_path / "state") as server, call(server.url) as caller:
        agent_file = await write_agent(tmp_path, server, caller)
        jobs = write_jobs(tmp_path, port)
        async with (
            run("agent", "--config", agent_file, directory=tmp_path) as agent,
            run("scheduler", jobs, "--server", server.url, directory=tmp_path, CRONPROBE_TOKEN=ROOT) as scheduler,
        ):
            found = {
                name: (await rows_of(caller, name, "is_success"))[0]
                for name in ("a-ping", "a-tcp", "a-http", "a-request")
            }
            [refused] = await rows_of(caller, "a-refused", "is_failure")
            await the_command_and_the_method_say_the_same(tmp_path, server.url, caller)
            for process in (server.process, scheduler, agent):
                assert await process.stop() < 2
                assert "Traceback" not in process.output
    for name, type_name in (("a-ping", "ping"), ("a-tcp", "tcp_ping"), ("a-http", "http_ping")):
        assert 0 < found[name]["task_event_result"][type_name] < 5_000
    response = found["a-request"]["task_event_result"]["http_request"]
    assert (response["status"], response["body"]) == (200, "POST hello")
    assert refused["uuid"] == AGENT
    assert refused["error_message"]


async def the_command_and_the_method_say_the_same(directory: Path, url: str, caller: Caller) -> None:
    for name, conditions in (("a-request", []), ("a-refused", ["is_failure"])):
        last = (await caller.rows({"cron_source": name}, *conditions, "last"))[0]["timestamp"]
        flags = ("--cron-source", name, "--limit", "3", *["--failed" for _ in conditions], "-o", "json")
        code, said = await say("query", *flags, "--server", url, directory=directory, CRONPROBE_TOKEN=ROOT)
        assert code == 0
        rows = json.loads(said)
        assert rows[0]["timestamp"] >= last
        assert all(list(row) == MEMBERS for row in rows)
        task_id = rows[0]["task_id"]
        query = {"condition": [{"task_id": task_id}]}
        body = {"jsonrpc": "2.0", "id": 1, "method": "task_query_task", "params": [ROOT, query]}
        reply = (await caller.post(json.dumps(body))).decode()
        row = reply.removeprefix('{"jsonrpc":"2.0","id":1,"result":[').removesuffix("]}")
        assert said.startswith(f"[{row}")


async def test_up_runs_all_three_and_ends_within_two_seconds(tmp_path: Path) -> None:
    async with target() as port:
        jobs = write_jobs(tmp_path, port)
        flags = ("--listen", "127.0.0.1:0", "--agent", "fra-1", "--state-dir", tmp_path / "state")
        async with run("up", jobs, *flags, directory=tmp_path, CRONPROBE_ROOT_TOKEN=ROOT) as up:
            url = (await up.says(r"server +(http://127\.0\.0\.1:\d+)"))[1]
            async with call(url) as caller:
                for name in ("a-ping", "a-tcp", "a-http", "a-request"):
                    await rows_of(caller, name, "is_success")
            await up.says(r"a-refused +fra-1 +tcp_ping +failed +connect_refused")
            assert await up.stop() < 2
    assert "Traceback" not in up.output


async def shown_on_a_terminal(directory: Path) -> str:
    """What a server's start shows to a person, up to where the token is kept and the line after it, if any."""
    terminal, its_end = os.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT_DIRECTORY)}
    command = (sys.executable, "-m", "cli", "server", "--listen", "127.0.0.1:0")
    process = await asyncio.create_subprocess_exec(
        *command, cwd=directory, env=environment, stdout=its_end, stderr=asyncio.subprocess.PIPE
    )
    os.close(its_end)
    assert process.stderr is not None
    async with asyncio.timeout(START_S):
        await process.stderr.readuntil(b"listening")
        process.terminate()
        await process.communicate()
    shown = os.read(terminal, 65_536).decode()
    os.close(terminal)
    return shown


async def test_a_new_root_token_is_shown_once_and_only_on_a_terminal(tmp_path: Path) -> None:
    (person, journal) = (tmp_path / "person", tmp_path / "journal")
    for directory in (person, journal):
        directory.mkdir()
    shown = [await shown_on_a_terminal(person) for _ in range(2)]
    async with run("server", "--listen", "127.0.0.1:0", directory=journal) as server:
        await server.says(r"token +\S+root-token +\(root\)\n")
        await server.stop()
    tokens = [(place / "cronprobe-state" / "root-token").read_text().strip() for place in (person, journal)]
    assert [text.count(tokens[0]) for text in shown] == [1, 0]
    assert "shown this once" in shown[0]
    assert tokens[1] not in server.output


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str) -> None:
    """Asked of the verb itself: the command would set the logs of the whole process."""
    commands = get_command(app)
    assert isinstance(commands, TyperGroup)
    result = CliRunner().invoke(commands.get_command(None, verb), ["--help"])
    assert (result.exit_code, "Usage:" in result.output) == (0, True)
