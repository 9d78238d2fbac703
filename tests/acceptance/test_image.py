"""
What the Dockerfile builds runs by itself: its steps are done in bare directories, without Docker, and the installed
command is started far from the source tree until results show. So everything that runs is in the wheel.
"""

import asyncio
import os
from pathlib import Path

import pytest

from tests.deploy import dockerfile
from tests.processes import ROOT_DIRECTORY, START_S, Process

pytestmark = pytest.mark.acceptance

JOBS = """version: 1
agents: {local: {uuid: e8583352-39e8-5a5b-b66c-e450689088fd}}
jobs:
  self: {schedule: "* * * * * *", agents: all, task: {http_ping: "http://127.0.0.1:1/"}}
"""


async def test_the_steps_of_the_dockerfile_leave_a_command_that_runs(tmp_path: Path) -> None:
    owner = {"UID": str(os.getuid()), "GID": str(os.getgid())}
    image = await asyncio.to_thread(
        dockerfile.build, ROOT_DIRECTORY / "deploy/Dockerfile", ROOT_DIRECTORY, tmp_path / "root", owner
    )
    assert not (image.root / "src").exists()
    state = image.root / "var/lib/cronprobe"
    (tmp_path / "jobs.yaml").write_text(JOBS)
    [command] = image.command("ENTRYPOINT")
    program = image.root / "opt/cronprobe/bin" / command
    environment = {**image.environment, "CRONPROBE_LISTEN": "127.0.0.1:0"}
    up = Process(
        await asyncio.create_subprocess_exec(
            *(program, "up", tmp_path / "jobs.yaml"),
            cwd=state,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    )
    try:
        port = (await up.says(r"server +http://127\.0\.0\.1:(\d+)"))[1]
        await up.says(r"self +local +http_ping +failed +connect_refused")
        assert await health(image, port, environment) == 0
        await up.stop()
        assert await health(image, port, environment) != 0
    finally:
        if up.process.returncode is None:
            await up.kill()
    assert {file.name for file in state.iterdir()} >= {"cronprobe.db", "root-token"}


async def health(image: dockerfile.Image, port: str, environment: dict[str, str]) -> int:
    """The exit code of the image's own check."""
    python, *words = (word.replace("2211", port) for word in image.command("HEALTHCHECK"))
    check = await asyncio.create_subprocess_exec(
        *(image.root / "opt/cronprobe/bin" / python, *words), env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(START_S):
        return await check.wait()
