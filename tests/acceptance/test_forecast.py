"""What ``plan`` says that jobs cost is what they then cost, measured over a minute."""

import asyncio
import json
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.processes import say
from tests.sites import up

pytestmark = pytest.mark.acceptance

MEASURED_S = 60
WITHIN = 0.01
HOSTS = [f"127.0.0.{number}" for number in range(1, 31)]
JOBS = f"""
  every-second: {{schedule: "* * * * * *", matrix: {{h: {HOSTS[:4]}}}, task: {{ping: "${{h}}"}}}}
  every-five: {{schedule: "*/5 * * * * *", matrix: {{h: {HOSTS[:20]}}}, task: {{ping: "${{h}}"}}}}
  spread: {{schedule: "@every 15s", splay: 10s, matrix: {{h: {HOSTS}}}, task: {{ping: "${{h}}"}}}}
  minutely: {{schedule: "* * * * *", splay: auto, matrix: {{h: {HOSTS}}}, task: {{ping: "${{h}}"}}}}
  listed: {{schedule: "7,12,31 * * * * *", task: {{ping: 127.0.0.1}}}}
  disabled: {{enabled: false, schedule: "* * * * * *", task: {{ping: 127.0.0.1}}}}
"""


def is_close(forecast: float, measured: float) -> bool:
    return abs(forecast - measured) <= WITHIN * measured


async def test_the_forecast_is_what_a_minute_then_shows(tmp_path: Path) -> None:
    async with up(tmp_path, JOBS) as site:
        code, said = await say("plan", site.file, "--against", site.file, "-o", "json", directory=tmp_path)
        assert code == 0, said
        cost = json.loads(said)["cost"]
        first = int(time.time()) + 1
        await asyncio.sleep(MEASURED_S + 2)  # the time that is measured, and for its last results to come in
        rows = await site.root.rows(detail=True)
        seconds = Counter(row["scheduled_at"] // 1000 for row in rows)
        counts = [seconds[second] for second in range(first, first + MEASURED_S)]
        _, page = await site.root.page("/metrics")
        measured = {
            "busiest_second": max(counts),
            "rows_per_day": sum(counts) * 86_400 // MEASURED_S,
            "series": sum('{cron_source="' in line for line in page.splitlines()),
        }
        print({name: (cost[name], found) for name, found in measured.items()})
        for name, found in measured.items():
            assert is_close(cost[name], found), name
        await site.process.stop()
