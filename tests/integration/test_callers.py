"""``cronprobe create``, ``shell`` and ``stats`` as people run them, against ``cronprobe up``."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.processes import ROOT, ROOT_DIRECTORY, run, say

AGENT = "e8583352-39e8-5a5b-b66c-e450689088fd"
JOBS = f"version: 1\nagents:\n  local: {{uuid: {AGENT}}}\njobs: {{}}\n"


@asynccontextmanager
async def up(directory: Path, *flags: str) -> AsyncIterator[str]:
    """A server with its local agent; the URL."""
    jobs = directory / "jobs.yaml"
    jobs.write_text(JOBS)
    arguments = ("up", jobs, "--listen", "127.0.0.1:0", "--state-dir", directory / "state", *flags)
    # A home without the start-up files of whoever runs the tests.
    async with run(*arguments, directory=directory, CRONPROBE_ROOT_TOKEN=ROOT, HOME=str(directory)) as process:
        url = (await process.says(r"(http://127\.0\.0\.1:\d+) +\(UUID"))[1]
        await process.says(r"event=\"agent connected\"|agent connected")
        yield url
        await process.stop()


async def create(directory: Path, url: str, *arguments: str) -> tuple[int, str]:
    return await say("create", "--server", url, *arguments, directory=directory, CRONPROBE_TOKEN=ROOT)


async def test_execute_prints_the_output_when_it_is_allowed(tmp_path: Path) -> None:
    async with up(tmp_path, "--allow", "execute") as url:
        code, said = await create(tmp_path, url, "--agent", "local", "execute", "--", "uname", "-a")
    assert (code, said.split()[:2]) == (0, [os.uname().sysname, os.uname().nodename])


async def test_what_is_not_allowed_is_refused_with_the_name_of_the_switch(tmp_path: Path) -> None:
    async with up(tmp_path) as url:
        code, said = await create(tmp_path, url, "--agent", "local", "execute", "--", "uname", "-a")
        assert code == 1
        assert said.startswith("refused: ")
        assert "allow_task_type" in said
        assert "--allow execute" in said
        code, said = await create(tmp_path, url, "tcp_ping", "127.0.0.1:1")
        assert (code, said.partition(":")[0]) == (1, "connect_refused")


async def test_up_refuses_to_allow_what_is_no_task_type(tmp_path: Path) -> None:
    (tmp_path / "jobs.yaml").write_text(JOBS)
    code, said = await say("up", "jobs.yaml", "--allow", "exec", directory=tmp_path)
    assert (code, said.splitlines()) == (
        2,
        [
            "cronprobe: --allow: unknown task type 'exec'; want one of ping, tcp_ping, http_ping, web_shell, execute, "
            "http_request, dns, read_config, edit_config, ip, version, self_update"
        ],
    )


async def shell(directory: Path, url: str, typed: str) -> tuple[int, str]:
    """``cronprobe shell`` with this for standard input."""
    script = directory / "typed"
    script.write_text(typed)
    with script.open() as stdin:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cli", "shell", "--server", url),
            cwd=directory,
            env={**os.environ, "PYTHONPATH": str(ROOT_DIRECTORY), "CRONPROBE_TOKEN": ROOT},
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await asyncio.wait_for(process.communicate(), 20)
    return process.returncode or 0, said.decode()


async def test_a_shell_runs_on_the_agent_until_it_ends(tmp_path: Path) -> None:
    async with up(tmp_path, "--allow", "web_shell") as url:
        code, said = await shell(tmp_path, url, "echo $((6 * 7))\nexit\n")
        assert code == 0
        assert "42\r\n" in said
        code, _ = await shell(tmp_path, url, "")
        assert code == 0


async def test_a_shell_whose_token_changes_is_cut_off_and_says_so(tmp_path: Path) -> None:
    async with (
        up(tmp_path, "--allow", "web_shell") as url,
        run("shell", "--server", url, directory=tmp_path, is_typed_at=True, CRONPROBE_TOKEN=ROOT) as process,
    ):
        process.type("echo $((6 * 7))\n")
        await process.says("42")
        key = ROOT.partition(":")[0]
        await say("token", "roll", key, "--server", url, directory=tmp_path, CRONPROBE_TOKEN=ROOT)
        assert await process.exit() == 1
        assert "cut off by the server: the token, or that of the agent" in process.output


async def test_a_shell_that_is_not_allowed_is_refused_with_the_name_of_the_switch(tmp_path: Path) -> None:
    async with up(tmp_path) as url:
        code, said = await shell(tmp_path, url, "exit\n")
    assert code == 1
    assert said == (
        "cronprobe: shell: refused: set allow_task_type in the agent's file, or start cronprobe up with "
        "--allow web_shell\n"
    )


async def test_statistics_are_a_table_or_json(tmp_path: Path) -> None:
    async with up(tmp_path) as url:
        await create(tmp_path, url, "tcp_ping", url.removeprefix("http://"))
        await create(tmp_path, url, "tcp_ping", "127.0.0.1:1")
        code, table = await say("stats", "--server", url, "--by", "type", directory=tmp_path, CRONPROBE_TOKEN=ROOT)
        assert code == 0
        head, row = (line.split() for line in table.splitlines())
        counts = ["count", "ok", "failed", "unknown", "missed", "uptime", "coverage"]
        assert head == ["type", *counts, "min", "mean", "p50", "p90", "p95", "p99", "max", "reasons"]
        assert (row[:6], row[-2:]) == (["tcp_ping", "2", "1", "1", "0", "50.000%"], ["connect_refused", "1"])
        arguments = ("--by", "agent", "--bucket", "1d", "-o", "json")
        code, text = await say("stats", "--server", url, *arguments, directory=tmp_path, CRONPROBE_TOKEN=ROOT)
        [group] = json.loads(text)
        assert (group["agent_name"], group["count"]) == ("local", 2)
        code, said = await say("stats", "--server", url, "--bucket", "x", directory=tmp_path, CRONPROBE_TOKEN=ROOT)
        wanted = "cronprobe: --bucket: 'x' is no length of time; want 30s, 15m, 2h, 7d or 1w\n"
        assert (code, said) == (2, wanted)
