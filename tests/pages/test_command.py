"""The page of ``cronprobe up``, as somebody starts it."""

import asyncio
from pathlib import Path

from tests.fakes import DEADLINE_S
from tests.processes import call, run

JOBS = """
version: 1
agents:
  local: {uuid: e8583352-39e8-5a5b-b66c-e450689088fd}
jobs:
  nobody-listens:
    schedule: "@every 1s"
    agents: all
    task: {tcp_ping: "127.0.0.1:1"}
"""
UP = ("up", "jobs.yaml", "--listen", "127.0.0.1:0")


async def test_up_says_where_the_page_is_and_shows_it_to_anybody_only_when_told_to(tmp_path: Path) -> None:
    (tmp_path / "jobs.yaml").write_text(JOBS)
    async with run(*UP, directory=tmp_path) as up:
        found = await up.says(r"page +(http://\S+)/\n")
        await up.says("connect_refused")
        async with call(found[1]) as caller:
            assert "nobody-listens" not in (await caller.page("/"))[1]
        await up.stop()
    async with run(*UP, "--public-page", directory=tmp_path) as up:
        found = await up.says(r"page +(http://\S+)/\n")
        async with call(found[1]) as caller, asyncio.timeout(DEADLINE_S):
            while 'data-say="nobody-listens: failing"' not in (page := (await caller.page("/"))[1]):
                pass
            assert "127.0.0.1:1" not in page
        await up.stop()
