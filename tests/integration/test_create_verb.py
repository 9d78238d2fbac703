"""``cronprobe create`` as people run it, against ``cronprobe up``."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.processes import ROOT, run, say

AGENT = "e8583352-39e8-5a5b-b66c-e450689088fd"
JOBS = f"version: 1\nagents:\n  local: {{uuid: {AGENT}}}\njobs: {{}}\n"


@asynccontextmanager
async def up(directory: Path, *flags: str) -> AsyncIterator[str]:
    """A server with its local agent; the URL."""
    jobs = directory / "jobs.yaml"
    jobs.write_text(JOBS)
    arguments = ("up", jobs, "--listen", "127.0.0.1:0", "--state-dir", directory / "state", *flags)
    async with run(*arguments, directory=directory, CRONPROBE_ROOT_TOKEN=ROOT) as process:
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
