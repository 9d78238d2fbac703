"""
Secrets of a job file show nowhere: not in logs, pages, answers, commands or the database, though targets echo them.

The value is looked for by a word that survives every escaping.
"""

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from tests.fakes import Caller
from tests.processes import ROOT, say
from tests.server.test_agent_token import CALLS
from tests.sites import HEAD, up

WORD = "geheim"
SECRETS = {
    "HEADER": f'{WORD}-1 "quoted" \\ and äöü',
    "QUERY": f"{WORD}-2 a/b&c=d",
    "PASSWORD": f"{WORD}-3",
    "LABEL": f"{WORD}-4",
    "CELL": f"{WORD}-5",
    "EXPECTED": f"{WORD}-6",
    "PATH_PART": f"{WORD}-7/%41",
    "NAME": f"{WORD}-8",
    "PORT": "1",
}
IN_A_FILE = f"{WORD}-9"


def jobs(port: int) -> str:
    target = f"http://127.0.0.1:{port}/${{env:PATH_PART}}?q=${{env:QUERY}}"
    return f"""
  echo:
    schedule: "* * * * * *"
    description: "about ${{env:LABEL}}"
    runbook_url: "http://wiki/${{env:LABEL}}"
    labels: {{team: "${{env:LABEL}}"}}
    matrix: {{cell: ["${{env:CELL}}", plain]}}
    target: "${{cell}} of ${{env:NAME}}"
    task:
      http_request:
        url: "{target}"
        method: POST
        headers: {{authorization: "Bearer ${{env:HEADER}}", x-cell: "${{cell}}"}}
        body: '{{"from": "${{file:secret.txt}}"}}'
    options: {{max_body: 64KiB}}
    expect:
      header: {{x-echo: "${{env:EXPECTED}}"}}
      json: {{method: "${{env:EXPECTED}}"}}
  body:
    schedule: "* * * * * *"
    task: {{http_request: {{url: "{target}", method: GET}}}}
    expect: {{body_regex: "${{env:EXPECTED}}$"}}
  away: {{schedule: "* * * * * *", task: {{http_ping: "http://a:${{env:PASSWORD}}@127.0.0.1:1/${{env:QUERY}}"}}}}
  port: {{schedule: "* * * * * *", task: {{tcp_ping: "127.0.0.1:${{env:PORT}}"}}}}
  proxied:
    schedule: "* * * * * *"
    task: {{http_request: {{url: "http://127.0.0.1:{port}/", method: GET}}}}
    options: {{proxy: "http://u:${{env:PASSWORD}}@127.0.0.1:1"}}
"""


async def echo(request: web.Request) -> web.Response:
    """All that came, as JSON and in a header; JSON in JSON too."""
    said = {"url": str(request.url), "headers": dict(request.headers), "body": await request.text()}
    raw = request.headers.get("authorization", "").encode("utf-8", "surrogateescape").decode("latin-1")
    return web.json_response({**said, "again": json.dumps(said)}, headers={"x-echo": raw or "none"})


async def everything_said(root: Caller) -> dict[str, str]:
    """What every method answers, and every page."""
    query = {"condition": [{"limit": 1000}], "detail": True}
    params: dict[str, list[Any]] = {
        "task_query": [query],
        "task_query_task": [query],
        "task_stats": [{"cron_source": "echo"}],
        "job_gaps": [],
        "crontab-result_query": [{"condition": []}],
    }
    harmless = {method: given for method, given in CALLS.items() if not method.endswith(("_delete", "_delete_task"))}
    said = {}
    for method, given in harmless.items():
        if method in ("job_declare", "task_create_task_blocking"):
            continue
        said[method] = json.dumps(await root.reply(method, *params.get(method, given or [])), ensure_ascii=False)
    for path in ("/", "/metrics", "/-/healthy", "/-/ready", "/nowhere"):
        said[path] = (await root.page(path))[1]
    return said


async def pages_for_root(url: str, jobs: Iterable[str]) -> dict[str, str]:
    """What the status page shows to whoever may see all."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        async with browser.post(f"{url}/-/login", data={"credential": ROOT, "back": "/"}) as response:
            assert "echo" in await response.text()
        said = {}
        for path in ("/", "/agents", "/gaps", *(f"/jobs/{job}" for job in jobs), "/-/latency?job=echo"):
            async with browser.get(url + path) as response:
                assert response.status == 200
                said[f"page {path}"] = await response.text()
    return said


async def test_a_secret_shows_nowhere(tmp_path: Path) -> None:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", echo)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        text = jobs(runner.addresses[0][1])
        (tmp_path / "jobs").mkdir()
        (tmp_path / "jobs" / "secret.txt").write_text(IN_A_FILE + "\n")
        shown: dict[str, str] = {}
        async with up(tmp_path, text, CRONPROBE_LOG_LEVEL="debug", **SECRETS) as site:
            names = {"echo", "body", "away", "port", "proxied"}
            rows: list[dict[str, Any]] = []
            async with asyncio.timeout(20):
                while {row["cron_source"] for row in rows if row["outcome"]} != names:
                    await asyncio.sleep(0.1)
                    rows = await site.root.rows({"limit": 1000}, detail=True)
            bodies = [row["task_event_result"] for row in rows if row["cron_source"] == "echo" and row["outcome"]]
            assert "${env:HEADER}" in json.dumps(bodies)
            assert "${file:secret.txt}" in json.dumps(bodies)
            assert "${env:QUERY}" in json.dumps(bodies)
            shown |= await everything_said(site.root)
            shown |= await pages_for_root(site.url, names)
            assert "${env:LABEL}" in shown["page /jobs/echo"]
            environment = {"directory": tmp_path, "CRONPROBE_TOKEN": ROOT, **SECRETS}
            there = ("--server", site.url)
            changed = tmp_path / "jobs" / "changed.yaml"
            changed.write_text(HEAD + text.replace("* * * * * *", "* * * * *").replace("${env:HEADER}", "${env:LABEL}"))
            for verb in (
                ("check", changed),
                ("render", site.file),
                ("next", site.file),
                ("plan", changed, "--against", site.url),
                ("plan", changed, "--against", site.file, "-o", "json"),
                ("run", site.file, "echo", *there),
                ("run", site.file, "away", *there, "-o", "json"),
                ("run", site.file, "body", *there, "-o", "junit"),
                ("query", "--cron-source", "echo", *there, "-o", "json"),
                ("query", "--cron-source", "body", *there),
                ("stats", "--cron-source", "echo", *there),
            ):
                code, said = await say(*verb, **environment)
                assert code in (0, 1, 3), said
                shown[" ".join(map(str, verb))] = said
            for broken in (
                text.replace("max_body: 64KiB", 'proxy: "${env:HEADER}"'),
                text.replace("method: POST", 'method: "${env:HEADER}"'),
                text.replace('schedule: "* * * * * *"', 'schedule: "${env:LABEL} * * * *"'),
                text.replace("${env:EXPECTED}$", "(${env:EXPECTED}"),
                text.replace("json: {method:", "json: {'${env:EXPECTED}':"),
                text.replace('["${env:CELL}", plain]', '["${env:CELL}", "${env:CELL}"]'),
                text.replace('{tcp_ping: "127.0.0.1:${env:PORT}"}', '{tcp_ping: "${env:NAME}"}'),
                text.replace('* * * * * *", task: {tcp_ping', '* * * * * *", timezone: "${env:NAME}", task: {tcp_ping'),
                text.replace('* * * * * *", task: {tcp_ping', '* * * * * *", agents: ["${env:NAME}"], task: {tcp_ping'),
            ):
                assert broken != text
                site.write(broken)
                status, answer = await site.reload(ROOT)
                assert status == 400
                shown[f"reload {len(shown)}"] = json.dumps(answer, ensure_ascii=False)
                code, shown[f"check {len(shown)}"] = await say("check", site.file, **environment)
                assert code == 2
            await site.process.stop()
        shown["log"] = site.process.output
        for where, said in shown.items():
            assert WORD not in said, (where, said[max(0, said.index(WORD) - 300) :][:600])
        for path in (tmp_path / "state").rglob("*"):
            assert path.is_dir() or WORD.encode() not in path.read_bytes(), path
    finally:
        await runner.cleanup()
