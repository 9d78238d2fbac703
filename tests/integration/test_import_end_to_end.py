"""``cronprobe import`` as people run it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from cli.import_ import import_
from scheduler.imports import IMPORTERS
from tests.processes import say

GATUS = "endpoints: [{name: a, url: 'icmp://a.example', conditions: ['[IP] == 192.0.2.1']}]\n"
JOBS = """\
# Imported by cronprobe from gatus.yml.
# Fill in `agents:` before use, a name and a UUID for each, and let `cronprobe check` look at it.

version: 1

# such as   fra-1: {uuid: e8583352-39e8-5a5b-b66c-e450689088fd, labels: {region: eu}}
agents: {}

jobs:
  # gatus.yml:1:61: endpoints[0].conditions[0]: a job cannot expect [IP] == 192.0.2.1; left out
  a:
    schedule: '@every 1m'
    agents: all
    task: {ping: a.example}
"""
SAID = """\
gatus.yml:1:61: endpoints[0].conditions[0]: a job cannot expect [IP] == 192.0.2.1; left out
imported 1 jobs, 0 of them commented out
"""
AGENT = "e8583352-39e8-5a5b-b66c-e450689088fd"
ENTRY = {
    "id": 1,
    "name": "edge",
    "enable": True,
    "cron_expression": "*/30 * * * * *",
    "cron_type": {"agent": [[AGENT], {"task": {"ping": "127.0.0.1"}}]},
    "last_run_time": None,
}


@asynccontextmanager
async def stock_server(answer: dict[str, Any], calls: list[dict[str, Any]]) -> AsyncIterator[str]:
    """A server that gives this answer to whatever it is asked; the URL."""

    async def reply(request: web.Request) -> web.Response:
        calls.append(await request.json())
        return web.json_response({"jsonrpc": "2.0", "id": 1, **answer})

    app = web.Application()
    app.router.add_post("/", reply)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    try:
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def test_every_importer_has_its_command() -> None:
    assert [command.callback.__name__ for command in import_.registered_commands if command.callback] == list(IMPORTERS)


async def test_the_job_file_goes_to_stdout_and_what_was_lost_to_stderr(tmp_path: Path) -> None:
    (tmp_path / "gatus.yml").write_text(GATUS)
    assert await say("import", "gatus", "gatus.yml", directory=tmp_path) in ((0, JOBS + SAID), (0, SAID + JOBS))


async def test_a_file_is_written_once_and_again_only_by_force(tmp_path: Path) -> None:
    (tmp_path / "gatus.yml").write_text(GATUS)
    command = ("import", "gatus", "gatus.yml", "-o", "jobs.yaml")
    assert await say(*command, directory=tmp_path) == (0, SAID)
    assert (tmp_path / "jobs.yaml").read_text() == JOBS
    (tmp_path / "jobs.yaml").write_text("mine")
    refusal = "cronprobe: jobs.yaml: exists already; give another name, or --force to write over it\n"
    assert await say(*command, directory=tmp_path) == (2, refusal)
    assert (tmp_path / "jobs.yaml").read_text() == "mine"
    assert await say(*command, "--force", directory=tmp_path) == (0, SAID)
    assert (tmp_path / "jobs.yaml").read_text() == JOBS


async def test_a_crontab_is_asked_for_and_its_job_file_is_good(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("key:secret\n")
    calls: list[dict[str, Any]] = []
    async with stock_server({"result": [ENTRY]}, calls) as url:
        command = ("import", "nodeget", "--server", url, "--token-file", "token", "-o", "jobs.yaml")
        said = await say(*command, directory=tmp_path)
    assert said == (0, "imported 1 jobs, 0 of them commented out\n")
    assert [(call["method"], call["params"]) for call in calls] == [("crontab_get", {"token": "key:secret"})]
    assert await say("check", "jobs.yaml", directory=tmp_path) == (0, "ok: 1 jobs, 1 probes, 2.0 tasks/min\n")


async def test_a_server_that_refuses_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("key:secret")
    error = {"code": 102, "message": "Permission denied: no"}
    async with stock_server({"error": error}, []) as url:
        said = await say("import", "nodeget", "--server", url, "--token-file", "token", directory=tmp_path)
    assert said == (1, "cronprobe: crontab_get: Permission denied: no (code 102)\n")


async def test_the_token_of_our_own_server_is_not_sent_to_another(tmp_path: Path) -> None:
    (tmp_path / "cronprobe-state").mkdir()
    (tmp_path / "cronprobe-state" / "root-token").write_text("root:secret")
    calls: list[dict[str, Any]] = []
    async with stock_server({"result": []}, calls) as url:
        said = await say("import", "nodeget", "--server", url, directory=tmp_path, CRONPROBE_TOKEN="root:secret")
    assert said == (2, "cronprobe: --token-file: is missing; give a file with a token of that server\n")
    assert calls == []


async def test_a_mistake_is_one_line_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "bad.yml").write_text("endpoints: [{name: a}]\n")
    (tmp_path / "crontab.json").write_text(json.dumps({"result": 5}))
    for command, said in (
        (("gatus", "bad.yml"), "bad.yml:1:13: endpoints[0]: 'url' is missing; add it\n"),
        (("gatus", "none.yml"), "none.yml:1:1: file: there is no such file; check the path\n"),
        (("gatus", "."), "cronprobe: .: is a directory; give a file\n"),
        (("nodeget",), "cronprobe: give either --server URL or --from FILE\n"),
        (
            ("nodeget", "--from", "crontab.json"),
            "cronprobe: crontab.json: Expected `array`, got `int` - at `$.result`; want what crontab_get answers\n",
        ),
    ):
        assert await say("import", *command, directory=tmp_path) == (2, said)
