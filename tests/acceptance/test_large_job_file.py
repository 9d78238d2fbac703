"""
Five thousand jobs: ``check`` answers in 2 s, and a reload that changes one of them takes 1 s and disturbs no tick.

Both are bounds for a machine on which PyYAML alone parses that file in 0.2 s, and grow on one that is slower. What was
measured is printed.
"""

import asyncio
import time
from pathlib import Path

import pytest
import yaml

from tests.processes import ROOT, say
from tests.sites import HEAD, STEADY, assert_every_second_once, up

pytestmark = pytest.mark.acceptance

JOBS = 5_000
CHECK_S = 2.0
RELOAD_S = 1.0
PARSING_S = 0.2
MEASURED_S = 60
TRIES = 3


def jobs(changed_timeout_s: int) -> str:
    """A job of every second, and 5,000 of every five minutes; one of these has this timeout."""
    timeouts = [changed_timeout_s if number == JOBS // 2 else 5 for number in range(JOBS)]
    return STEADY + "".join(
        f"""  job-{number}:
    description: probe number {number}
    schedule: "@every 5m"
    splay: auto
    timeout: {timeout}s
    labels: {{team: team-{number % 7}}}
    task:
      http_request:
        url: http://127.0.0.1:{1_000 + number}/x
        method: GET
        headers: {{accept: application/json}}
"""
        for number, timeout in enumerate(timeouts)
    )


def slowness(text: str) -> float:
    """How many times slower this machine is than the one that the bounds are for, at least 1."""
    took = []
    for _ in range(TRIES):
        start = time.perf_counter()
        for _event in yaml.parse(text, Loader=yaml.CSafeLoader):
            pass
        took.append(time.perf_counter() - start)
    return max(1.0, min(took) / PARSING_S)


async def test_five_thousand_jobs_are_checked_in_two_seconds(tmp_path: Path) -> None:
    (tmp_path / "jobs.yaml").write_text(HEAD + jobs(5))
    took = []
    for _ in range(TRIES):
        start = time.perf_counter()
        code, said = await say("check", "jobs.yaml", directory=tmp_path)
        took.append(time.perf_counter() - start)
        assert (code, said) == (0, f"ok: {JOBS + 1} jobs, {JOBS + 1} probes, 1060.0 tasks/min\n")
    slower = slowness(HEAD + jobs(5))
    print(f"check of {JOBS} jobs: {', '.join(f'{s:.2f}' for s in took)} s; this machine: {slower:.1f}")
    assert min(took) < CHECK_S * slower


async def test_a_reload_of_five_thousand_jobs_takes_a_second_and_disturbs_no_tick(tmp_path: Path) -> None:
    async with up(tmp_path, jobs(5)) as site:
        start = int(time.time())
        took = []
        for timeout_s in range(6, 12):
            await asyncio.sleep(MEASURED_S / 6)  # the time that is measured
            site.write(jobs(timeout_s))
            begun = time.perf_counter()
            assert await site.reload(ROOT) == (200, {"reloaded": True})
            took.append(time.perf_counter() - begun)
        seconds = await site.until_due("steady", start + MEASURED_S)
        slower = slowness(HEAD + jobs(5))
        print(f"reload of {JOBS} jobs: {', '.join(f'{s:.2f}' for s in took)} s; this machine: {slower:.1f}")
        assert_every_second_once(seconds)
        assert len([second for second in seconds if start < second <= start + MEASURED_S]) == MEASURED_S
        assert sorted(took)[len(took) // 2] < RELOAD_S * slower
        await site.process.stop()
