"""
Every alert rings for its real cause and ends with it: cronprobe and Prometheus as processes, and the generated rules.

Only lengths of time are not those that ``cronprobe rules`` gives: in the text of the rules each ``for`` is made 1 s,
each window 10 s and the silence of jobs 4 s, so that it takes a minute and not hours. The objective's alerts ring by
that for what happened within seconds; their windows are tested with promtool.
"""

import asyncio
import json
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from scheduler.jobfile import load
from tests.agent.certificates import make_certificate
from tests.agent.targets import open_target
from tests.fakes import BATCHING, Caller, open_agent
from tests.processes import ROOT, Process, agent_config, agent_token_limits, call, run
from tests.rules.prometheus import Prometheus, open_prometheus, unused_port
from tests.rules.texts import rules_of

pytestmark = [pytest.mark.acceptance, pytest.mark.external("prometheus")]

WITHIN_S = 45.0
LOCAL, FAR, SKEWED = (f"e8583352-39e8-5a5b-b66c-e450689088f{digit}" for digit in "abc")
ALWAYS = "maintenance: [{from: 2020-01-01T00:00:00Z, to: 2120-01-01T00:00:00Z}], "
EMPTY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
OF_A_TARGET = ("CronprobeProbeFailing", "CronprobeSloBurnFast", "CronprobeSloBurnSlow")


def job_file(door: int, in_weeks: int, in_days: int, *, maintenance: str = "") -> str:
    head = "".join(
        f"  {name}: {{uuid: {uuid}}}\n" for name, uuid in (("local", LOCAL), ("far", FAR), ("skewed", SKEWED))
    )
    https = "http_ping: 'https://127.0.0.1:{}/'"
    jobs = {
        "steady": "agents: [local], task: {ping: 127.0.0.1}",
        "door": f"{maintenance}agents: [local], slo: {{objective: 99.9, window: 30d}}, "
        f"task: {{tcp_ping: '127.0.0.1:{door}'}}",
        "far-off": "agents: [far], task: {ping: 127.0.0.1}",
        "stamped": "agents: [skewed], task: {ping: 127.0.0.1}",
        "in-weeks": f"agents: [local], options: {{verify_tls: false}}, task: {{{https.format(in_weeks)}}}",
        "in-days": f"agents: [local], options: {{verify_tls: false}}, task: {{{https.format(in_days)}}}",
    }
    lines = (f"  {name}: {{schedule: '@every 1s', timeout: 1s, {keys}}}\n" for name, keys in jobs.items())
    return f"version: 1\nagents:\n{head}jobs:\n" + "".join(lines)


def shortened(document: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(document)
    for pattern, replacement in (
        (r'"for": "[^"]+"', '"for": "1s"'),
        (r"\[\d[^\]]*\]", "[10s]"),
        (r"offset \w+", "offset 4s"),
        (r"> 121\b", "> 4"),
    ):
        text, count = re.subn(pattern, replacement, text)
        assert count, pattern
    short: dict[str, Any] = json.loads(text)
    return short


class Clock:
    """Of an agent; ``ahead_ms`` is by how much it is wrong."""

    ahead_ms = 0

    async def answer(self, url: str, token: str) -> None:
        """Answer every task, well and with this clock's time, on one connection after another."""
        while True:
            try:
                async with aiohttp.ClientSession() as http, open_agent(http, url, token, SKEWED, BATCHING) as agent:
                    while True:
                        task = await agent.task()
                        stamp = time.time_ns() // 1_000_000 + self.ahead_ms
                        await agent.upload(agent.response(task, {"ping": 1.0}, timestamp=stamp))
            except (aiohttp.ClientError, AssertionError, TimeoutError):  # the server was killed
                await asyncio.sleep(0.2)


class Site:
    """``cronprobe up`` with an agent in a process of its own, both of which can be killed and started again."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.jobs = folder / "jobs.yaml"
        self.address = f"127.0.0.1:{port}"
        self.url = f"http://{self.address}"
        self.server_uuid = ""

    @asynccontextmanager
    async def up(self) -> AsyncIterator[Process]:
        arguments = ("up", self.jobs, "--listen", self.address, "--state-dir", self.folder / "state", "-q")
        async with run(*arguments, directory=self.folder, CRONPROBE_ROOT_TOKEN=ROOT) as process:
            self.server_uuid = (await process.says(r"\(UUID ([0-9a-f-]{36})\)"))[1]
            await process.says("agent connected")
            yield process

    @asynccontextmanager
    async def far(self, token: str) -> AsyncIterator[Process]:
        file = agent_config(self.folder, name="far", uuid=FAR, server_uuid=self.server_uuid, token=token, url=self.url)
        async with run("agent", "--config", file, directory=self.folder) as process:
            await process.says("connected")
            yield process

    def database(self, statement: str) -> None:
        database = sqlite3.connect(self.folder / "state" / "cronprobe.db", isolation_level=None)
        database.execute(statement)
        database.close()


async def rings(prometheus: Prometheus, alerts: Sequence[tuple[str, dict[str, str]]]) -> dict[str, dict[str, Any]]:
    """Wait for all of them; the last one of each name."""
    return {name: await prometheus.until_firing(name, WITHIN_S, **labels) for name, labels in alerts}


async def test_every_alert_rings_for_its_cause_and_ends_with_it(tmp_path: Path) -> None:
    site, clock = Site(tmp_path, unused_port()), Clock()
    folders = [tmp_path / name for name in ("weeks", "days")]
    for folder in folders:
        folder.mkdir()
    soon = [make_certificate(folder, "-days", days) for folder, days in zip(folders, ("20", "3"), strict=True)]
    async with (
        open_target(EMPTY, tls=soon[0].context) as in_weeks,
        open_target(EMPTY, tls=soon[1].context) as in_days,
        AsyncExitStack() as stack,
    ):
        door = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        port = door.sockets[0].getsockname()[1]
        ports = (port, in_weeks.port, in_days.port)
        site.jobs.write_text(job_file(*ports))
        rules = shortened(rules_of(load([site.jobs]), with_itself=True))
        up = await stack.enter_async_context(site.up())
        caller = await stack.enter_async_context(call(site.url))
        far_token, skewed_token = [await caller.make_token(agent_token_limits(uuid)) for uuid in (FAR, SKEWED)]
        far = await stack.enter_async_context(site.far(far_token))
        answering = asyncio.create_task(clock.answer(site.url, skewed_token))
        prometheus = await stack.enter_async_context(open_prometheus(tmp_path / "prometheus", rules, site.address))

        expires = "CronprobeCertificateExpiresSoon"
        await rings(
            prometheus,
            [
                (expires, {"cron_source": "in-weeks", "severity": "warning"}),
                (expires, {"cron_source": "in-days", "severity": "page"}),
            ],
        )
        for certificate, folder in zip(soon, folders, strict=True):
            renewed = make_certificate(folder, "-days", "90")
            certificate.context.load_cert_chain(renewed.file, folder / "key.pem")
        await prometheus.until_quiet(WITHIN_S)

        await _targets_agents_and_files(site, prometheus, door, ports, far, clock)
        far = await stack.enter_async_context(site.far(far_token))
        clock.ahead_ms = 0
        door = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port)
        await prometheus.until_quiet(WITHIN_S)

        await _store(site, prometheus, caller)
        await prometheus.until_quiet(WITHIN_S)

        await up.kill()
        await rings(prometheus, [("CronprobeDown", {"severity": "page"})])
        up = await stack.enter_async_context(site.up())
        await rings(prometheus, [("CronprobeTicksMissed", {"severity": "warning"})])
        await prometheus.until_quiet(WITHIN_S)
        assert [rule["lastError"] for rule in await prometheus.rules() if rule["health"] != "ok"] == []

        answering.cancel()
        door.close()
        await far.stop()
        await up.stop()


async def _targets_agents_and_files(
    site: Site,
    prometheus: Prometheus,
    door: asyncio.Server,
    ports: tuple[int, int, int],
    far: Process,
    clock: Clock,
) -> None:
    """A target closes, an agent is killed, a clock is off and a job file broken; then the file is whole again."""
    door.close()
    await far.kill()
    clock.ahead_ms = 60_000
    site.jobs.write_text(job_file(*ports).replace("schedule", "shedule", 1))
    found = await rings(
        prometheus,
        [
            ("CronprobeProbeFailing", {"cron_source": "door", "type": "tcp_ping", "severity": "page"}),
            ("CronprobeSloBurnFast", {"cron_source": "door", "severity": "page"}),
            ("CronprobeSloBurnSlow", {"cron_source": "door", "severity": "ticket"}),
            ("CronprobeAgentAway", {"agent": "far", "severity": "warning"}),
            ("CronprobeUnknownRuns", {"agent": "far", "severity": "warning"}),
            ("CronprobeProbeNoData", {"agent": "far", "cron_source": "far-off"}),
            ("CronprobeClockSkew", {"agent": "skewed", "severity": "warning"}),
            ("CronprobeReloadFailed", {"severity": "warning"}),
        ],
    )
    assert found["CronprobeProbeFailing"]["annotations"]["reason"] == "connect_refused"
    assert found["CronprobeClockSkew"]["annotations"]["description"].startswith(("By 59", "By 1m"))
    assert {alert["labels"].get("cron_source") for alert in await prometheus.firing()} == {"door", "far-off", None}

    site.jobs.write_text(job_file(*ports, maintenance=ALWAYS))
    others = ("CronprobeAgentAway", "CronprobeUnknownRuns", "CronprobeProbeNoData", "CronprobeClockSkew")
    await prometheus.until_quiet(WITHIN_S, others)
    assert await prometheus.samples('probe_success{cron_source="door"}') == [0]
    site.jobs.write_text(job_file(*ports))
    await rings(prometheus, [(name, {"cron_source": "door"}) for name in OF_A_TARGET])


async def _store(site: Site, prometheus: Prometheus, caller: Caller) -> None:
    """Commits fail; when they succeed again what waited is late."""
    site.database("ALTER TABLE task RENAME TO hidden")
    await rings(prometheus, [("CronprobeStoreErrors", {"severity": severity}) for severity in ("page", "warning")])
    assert (await caller.page("/-/ready"))[0] == 503
    site.database("ALTER TABLE hidden RENAME TO task")
    await rings(prometheus, [("CronprobeSchedulerLag", {"severity": "warning"})])
