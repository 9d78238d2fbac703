"""What ``plan`` says of series is what each type of probe then shows, with either extent of metrics."""

import asyncio
import json
from collections import Counter
from pathlib import Path

import pytest

from tests.agent.certificates import make_certificate
from tests.agent.targets import open_target, reply
from tests.processes import say
from tests.sites import up

DEADLINE_S = 20
OFTEN = 'schedule: "* * * * * *", agents: [local]'


def jobs(port: int, tls_port: int) -> str:
    tasks = {
        "ping": "{ping: 127.0.0.1}",
        "ping-name": "{ping: localhost}",
        "ping-options": "{ping: 127.0.0.1}, options: {count: 2, interval: 10ms}",
        "tcp": f'{{tcp_ping: "127.0.0.1:{port}"}}',
        "tcp-name": f'{{tcp_ping: "localhost:{port}"}}, options: {{family: 4}}',
        "tcp-options": f'{{tcp_ping: "127.0.0.1:{port}"}}, options: {{}}',
        "http-ping": f'{{http_ping: "http://127.0.0.1:{port}/"}}',
        "http-name": f'{{http_ping: "http://localhost:{port}/"}}, options: {{family: 4}}',
        "http-request": f'{{http_request: {{url: "http://127.0.0.1:{port}/", method: GET}}}}',
        "http-proxy": f'{{http_ping: "http://a.example/"}}, options: {{proxy: "http://127.0.0.1:{port}"}}',
        "https": f'{{http_ping: "https://127.0.0.1:{tls_port}/"}}, options: {{verify_tls: false}}',
        "version": '"version"',
    }
    return "".join(f"\n  {name}: {{{OFTEN}, task: {task}}}" for name, task in tasks.items()) + "\n"


@pytest.mark.parametrize(("extent", "member"), [("full", "series"), ("basic", "series_basic")])
async def test_the_forecast_of_series_is_exact_for_every_type(tmp_path: Path, extent: str, member: str) -> None:
    tls = make_certificate(tmp_path).context
    async with (
        open_target(reply(b"ok")) as target,
        open_target(reply(b"ok"), tls=tls) as tls_target,
        up(tmp_path, jobs(target.port, tls_target.port), CRONPROBE_METRICS=extent) as site,
    ):
        async with asyncio.timeout(DEADLINE_S):
            while (page := (await site.root.page("/metrics"))[1]).count("\nprobe_success{") < 12:
                await asyncio.sleep(0.1)
        assert "} 0\n" not in "".join(line for line in page.splitlines(keepends=True) if line.startswith("probe_succ"))
        _, said = await say("plan", site.file, "--against", site.file, "-o", "json", directory=tmp_path)
        found = Counter(line.partition(",")[0] for line in page.splitlines() if '{cron_source="' in line)
        assert json.loads(said)["cost"][member] == sum(found.values()), found
        await site.process.stop()
