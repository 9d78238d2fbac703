"""``cronprobe up`` on a job file that a test changes, over loopback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.fakes import Caller
from tests.processes import ROOT, Process, run

AGENT = "e8583352-39e8-5a5b-b66c-e450689088fd"
HEAD = f"version: 1\nagents: {{local: {{uuid: {AGENT}}}}}\ndefaults: {{agents: all}}\njobs:\n"
STEADY = '  steady: {schedule: "* * * * * *", task: {ping: 127.0.0.1}}\n'


class Site:
    """``cronprobe up`` on a job file."""

    def __init__(self, process: Process, file: Path, http: aiohttp.ClientSession, url: str) -> None:
        self.process = process
        self.file = file
        self.http = http
        self.url = url
        self.root = Caller(http, url, ROOT)

    def write(self, jobs: str) -> None:
        """As editors do: a new file in the place of the old one."""
        new = self.file.with_suffix(".new")
        new.write_text(HEAD + jobs)
        new.replace(self.file)

    async def declared(self, *names: str) -> None:
        """Wait until just these jobs are shown."""
        async with asyncio.timeout(10):
            while sorted(job["name"] for job in await self.root.call("crontab_get")) != sorted(names):
                await asyncio.sleep(0.05)

    async def metric(self, line: str) -> bool:
        _, page = await self.root.page("/metrics")
        return line in page

    async def reload(self, token: str | None) -> tuple[int, Any]:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        async with self.http.post(f"{self.url}/-/reload", headers=headers) as response:
            return response.status, await response.json()

    async def seconds(self, job: str) -> list[int]:
        """The seconds that the job was due at, oldest first."""
        rows = await self.root.rows({"cron_source": job}, {"limit": 1000}, detail=True)
        return sorted(row["scheduled_at"] // 1000 for row in rows if row["scheduled_at"] % 1000 == 0)

    async def until_due(self, job: str, after: int) -> list[int]:
        """Wait until the job was due later than the second ``after``; its seconds."""
        async with asyncio.timeout(10):
            while not (seconds := await self.seconds(job)) or seconds[-1] <= after:
                await asyncio.sleep(0.1)
        return seconds


@asynccontextmanager
async def up(directory: Path, jobs: str, **environment: str) -> AsyncIterator[Site]:
    file = directory / "jobs" / "jobs.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(HEAD + jobs)
    arguments = ("up", file, "--listen", "127.0.0.1:0", "--state-dir", directory / "state", "-q")
    async with (
        run(*arguments, directory=directory, CRONPROBE_ROOT_TOKEN=ROOT, **environment) as process,
        aiohttp.ClientSession() as http,
    ):
        url = (await process.says(r"(http://127\.0\.0\.1:\d+) +\(UUID"))[1]
        await process.says("agent connected")
        yield Site(process, file, http, url)


def assert_every_second_once(seconds: list[int]) -> None:
    assert seconds == list(range(seconds[0], seconds[0] + len(seconds)))
