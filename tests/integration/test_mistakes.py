"""A person's mistakes: one clear line each, an exit code, and never a traceback."""

import socket
from pathlib import Path
from uuid import uuid4

import pytest

from tests.processes import ROOT, agent_config, agent_token_limits, call, run, run_server, say

AGENT = "e8583352-39e8-5a5b-b66c-e450689088fd"
JOBS = (
    f"version: 1\nagents:\n  fra-1: {{uuid: {AGENT}}}\njobs:\n"
    '  web: {schedule: "@every 1s", agents: all, task: {ping: 127.0.0.1}}\n'
)
BAD_JOBS = (
    f"version: 1\nagents:\n  fra-1: {{uuid: {AGENT}}}\njobs:\n"
    '  web: {schedule: "@every 1s", agents: all, task: {tpc_ping: "a:1"}}\n'
    '  edge: {schedule: "61 * * * *", agents: all, task: {ping: a}}\n'
)


@pytest.mark.parametrize("verb", ["check", "scheduler"])
async def test_all_mistakes_of_a_job_file_are_listed_and_nothing_starts(tmp_path: Path, verb: str) -> None:
    (tmp_path / "jobs.yaml").write_text(BAD_JOBS)
    code, said = await say(verb, "jobs.yaml", directory=tmp_path)
    first, second = said.splitlines()
    assert code == 2
    assert first.startswith("jobs.yaml:5:")
    assert first.endswith("unknown task type 'tpc_ping'; did you mean tcp_ping?")
    assert second.startswith("jobs.yaml:6:")
    assert not (tmp_path / "cronprobe-state").exists()


async def test_a_good_job_file_is_said_to_be_good(tmp_path: Path) -> None:
    (tmp_path / "jobs.yaml").write_text(JOBS)
    code, said = await say("check", "jobs.yaml", directory=tmp_path)
    assert (code, said) == (0, "ok: 1 jobs, 1 probes, 60.0 tasks/min\n")


async def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        code, said = await say("server", "--listen", f"127.0.0.1:{port}", directory=tmp_path)
    line = f"--listen 127.0.0.1:{port}: Address already in use; stop what listens there or choose another"
    assert (code, said) == (1, f"cronprobe: {line}\n")


async def test_a_second_server_on_the_same_store_is_one_line(tmp_path: Path) -> None:
    state = tmp_path / "state"
    async with run_server(state):
        code, said = await say("server", "--listen", "127.0.0.1:0", "--state-dir", state, directory=tmp_path)
    path = state / "cronprobe.db"
    line = f"cronprobe: {path}: another cronprobe server has it open; stop it or choose another --store\n"
    assert (code, said) == (1, line)


async def test_a_store_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"something else altogether" * 100)
    flags = ("--listen", "127.0.0.1:0", "--store", f"sqlite:///{path}")
    code, said = await say("server", *flags, directory=tmp_path)
    line = f"cronprobe: {path}: cannot be opened as a store: file is not a database; choose another --store\n"
    assert (code, said) == (1, line)


@pytest.mark.parametrize(
    ("arguments", "environment", "line"),
    [
        (
            ["server", "--store", "mysql://db"],
            {},
            "--store: no store has the scheme 'mysql'; want sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/DB",
        ),
        (
            ["server", "--listen", "127.0.0.1:0"],
            {"CRONPROBE_ROOT_TOKEN": "short"},
            "CRONPROBE_ROOT_TOKEN: want key:secret with a secret of at least 16 characters",
        ),
        (
            ["query"],
            {},
            "cronprobe-state/root-token: No such file or directory; "
            "give --token-file, or --state-dir where the server keeps it",
        ),
        (["agent", "--config", "none.toml"], {}, "none.toml: cannot be read: No such file or directory; "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
async def test_a_mistake_in_the_call_is_one_line(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], line: str
) -> None:
    code, said = await say(*arguments, directory=tmp_path, **environment)
    assert code == 2, said
    assert said.startswith(f"cronprobe: {line}")
    assert said.count("\n") == 1


async def test_a_server_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
    code, said = await say("query", "--server", f"http://127.0.0.1:{port}", directory=tmp_path, CRONPROBE_TOKEN=ROOT)
    assert code == 1
    assert said.startswith(f"cronprobe: http://127.0.0.1:{port}: ")
    assert said.endswith("; is a cronprobe server running there? See --server\n")
    assert said.count("\n") == 1


async def test_a_wrong_token_is_one_line(tmp_path: Path) -> None:
    async with run_server(tmp_path / "state") as server:
        code, said = await say("query", "--server", server.url, directory=tmp_path, CRONPROBE_TOKEN="a:b")
    line = "cronprobe: task_query_task: Permission denied: Invalid credentials (code 102)"
    assert (code, said) == (1, f"{line}\n")


async def test_a_scheduler_with_a_wrong_token_says_so_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "jobs.yaml").write_text(JOBS)
    async with run_server(tmp_path / "state") as server:
        flags = ("jobs.yaml", "--server", server.url)
        async with run("scheduler", *flags, directory=tmp_path, CRONPROBE_TOKEN="a:b") as scheduler:
            await scheduler.says("Invalid credentials")
            await scheduler.stop()
    assert "Traceback" not in scheduler.output


@pytest.mark.parametrize("wrong", ["token", "server_uuid"])
async def test_an_agent_with_a_wrong_token_or_uuid_says_so_and_tries_again(tmp_path: Path, wrong: str) -> None:
    async with run_server(tmp_path / "state") as server, call(server.url) as caller:
        right = {"server_uuid": server.uuid, "token": await caller.make_token(agent_token_limits(AGENT))}
        values = {**right, wrong: "a:b" if wrong == "token" else str(uuid4())}
        file = agent_config(tmp_path, name="agent", uuid=AGENT, url=server.url, **values)
        async with run("agent", "--config", file, directory=tmp_path) as agent:
            await agent.says("Invalid credentials" if wrong == "token" else f"the server says {server.uuid}")
            assert await agent.stop() < 2
    assert "Traceback" not in agent.output


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("agent_uuid = ", "agent.toml:1: "),
        (f'agent_uuid = "{AGENT}"\n', "agent.toml: server: found no server; add a [[server]] table\n"),
    ],
)
async def test_a_wrong_agent_file_is_one_line(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "agent.toml").write_text(text)
    code, said = await say("agent", "--config", "agent.toml", directory=tmp_path)
    assert code == 2
    assert said.startswith(f"cronprobe: {line}")
    assert said.count("\n") == 1


async def test_tokens_are_made_listed_and_revoked(tmp_path: Path) -> None:
    async with run_server(tmp_path / "state") as server:
        flags = ("--server", server.url)
        code, made = await say("token", "create", "reader", *flags, directory=tmp_path, CRONPROBE_TOKEN=ROOT)
        assert code == 0
        key = made.partition(":")[0]
        code, said = await say("token", "list", *flags, directory=tmp_path, CRONPROBE_TOKEN=ROOT)
        assert (code, key in said) == (0, True)
        assert made.strip() not in said
        code, said = await say("token", "revoke", key, *flags, directory=tmp_path, CRONPROBE_TOKEN=ROOT)
        assert (code, said) == (0, f"revoked {key}\n")
        code, said = await say("query", *flags, directory=tmp_path, CRONPROBE_TOKEN=made.strip())
        assert (code, said) == (1, "cronprobe: task_query_task: Permission denied: Invalid credentials (code 102)\n")
