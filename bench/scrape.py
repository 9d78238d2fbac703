"""
What a scrape of 10,000 probes costs: the page by itself, and ticks of a server that is scraped beside one that is not.

``python -m bench scrape``. The agents probe nothing; ticks are spread over ten seconds, a thousand each.
"""

import asyncio
import gzip
import sqlite3
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import uvloop
from msgspec import Struct
from prometheus_client import CollectorRegistry

from bench.rig import ROOT, SERVER_CORE, await_ready, free_port, load_agents, percentile, process, sleep_until
from protocol.outcomes import Reason
from server.config import MetricsExtent
from server.metrics.jobs import JobMetrics, JobState
from server.metrics.page import Page
from server.metrics.probes import ProbeMetrics
from server.metrics.stats import ProbeLabels, Run
from server.metrics.text import Format

PROBES = 10_000
_AGENTS = 100
_SCRAPE_S = 5
_OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


class Written(Struct, frozen=True):
    """A page of which every value had changed; the stretch is the longest that the loop was kept from others."""

    lines: int
    bytes: int
    seconds: float
    stretch_ms: float


def full_page(probes: int) -> tuple[Page, ProbeMetrics, list[ProbeLabels]]:
    """A page of as many probes, each a job, as the server puts it together."""
    metrics, jobs = ProbeMetrics(MetricsExtent.FULL), JobMetrics()
    labels = [ProbeLabels(f"job{n}", f"agent{n % _AGENTS}", "ping", f"host{n}.example") for n in range(probes)]
    jobs.show(JobState(label.cron_source, "*/10 * * * * *", "UTC", {"team": "net"}) for label in labels)
    record(metrics, labels, 1)
    return Page(registry=CollectorRegistry(), sources=[metrics, jobs]), metrics, labels


def record(metrics: ProbeMetrics, labels: list[ProbeLabels], at: int) -> None:
    """A run of each probe that changes whatever a run can change."""
    for number, label in enumerate(labels):
        scheduled_ms = 1_700_000_000_000 + at * 1_000
        reason = Reason.TIMEOUT if (number + at) % 10 == 0 else None
        metrics.of(label).record(Run(reason, 1.5 * at + number % 90, scheduled_ms, task_id=number + 1, ended_ms=at))


async def write(page: Page, form: Format) -> Written:
    """Write the page while something else wants to run all the time, and see how long it is kept waiting."""
    stretches_s: list[float] = []

    async def breathe() -> None:
        while True:
            start_s = time.thread_time()
            await asyncio.sleep(0)
            stretches_s.append(time.thread_time() - start_s)

    breathing = asyncio.create_task(breathe())
    await asyncio.sleep(0)
    start_s = time.perf_counter()
    pieces = [piece async for piece in page.zipped(form)]
    seconds = time.perf_counter() - start_s
    breathing.cancel()
    text = gzip.decompress(b"".join(pieces))
    return Written(text.count(b"\n"), len(text), seconds, max(stretches_s) * 1000)


async def _write_changed() -> Written:
    page, metrics, labels = full_page(PROBES)
    await write(page, Format.OPEN_METRICS)
    record(metrics, labels, 2)
    return await write(page, Format.OPEN_METRICS)


def main(folder: Path, seconds: int) -> None:
    """Measure and print."""
    written = uvloop.run(_write_changed())
    print(
        f"page of {PROBES:,} probes, gzip: {written.lines:,} lines, {written.bytes / 1e6:.1f} MB, "
        f"{written.seconds:.2f} s, longest stretch {written.stretch_ms:.1f} ms of the loop's CPU time"
    )
    with _site(folder) as (port, server):
        sleep_until(int(time.time()) + 12)  # the series of all probes are known
        windows = []
        for is_scraped in (False, True):
            start_s = int(time.time()) + 1
            sleep_until(start_s)
            with _scraping(port) if is_scraped else _nothing() as scrapes_s:
                sleep_until(start_s + seconds)
            windows.append((is_scraped, start_s, scrapes_s))
        sleep_until(time.time() + 3)
        server.terminate()
        server.wait(10)
    for is_scraped, start_s, scrapes_s in windows:
        lags = _lags_ms(folder / "state" / "cronprobe.db", start_s * 1000, (start_s + seconds) * 1000)
        took = f"; the slowest scrape took {max(scrapes_s):.2f} s" if scrapes_s else ""
        print(
            f"{'scraped every 5 s' if is_scraped else 'not scraped':18} {len(lags):,} ticks, due to sent: "
            f"p50 {percentile(lags, 0.5):.0f} ms, p99 {percentile(lags, 0.99):.0f} ms{took}"
        )


@contextmanager
def _site(folder: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    port = free_port()
    uuids = [str(UUID(int=(7 << 120) + n)) for n in range(_AGENTS)]
    lines = ["version: 1", "agents:", *(f"  a{n}: {{uuid: {uuid}}}" for n, uuid in enumerate(uuids)), "jobs:"]
    for n in range(PROBES // _AGENTS):
        schedule = f"{n % 10}-59/10 * * * * *"
        lines.append(f'  job{n}: {{schedule: "{schedule}", agents: all, timeout: 2s, task: {{ping: 127.0.0.1}}}}')
    (folder / "jobs.yaml").write_text("\n".join(lines) + "\n")
    (folder / "agents").write_text("".join(f"{uuid} {ROOT}\n" for uuid in uuids))
    up = ["-m", "cli", "--log-level", "warning", "up", "--no-agent", "--quiet", f"--listen=127.0.0.1:{port}"]
    with process(SERVER_CORE, [*up, f"--state-dir={folder / 'state'}", str(folder / "jobs.yaml")]) as server:
        await_ready(port, server)
        with load_agents(f"http://127.0.0.1:{port}/", folder / "agents", folder / "acknowledged"):
            yield port, server


@contextmanager
def _nothing() -> Iterator[list[float]]:
    yield []


@contextmanager
def _scraping(port: int) -> Iterator[list[float]]:
    """Scrape every five seconds as Prometheus does, on a thread; gives how long each took, in seconds."""
    took_s: list[float] = []
    done = threading.Event()

    def scrape() -> None:
        headers = {"accept": _OPEN_METRICS, "accept-encoding": "gzip"}
        while not done.is_set():
            start_s = time.perf_counter()
            with urllib.request.urlopen(
                urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers=headers), timeout=30
            ) as page:
                page.read()
            took_s.append(time.perf_counter() - start_s)
            done.wait(_SCRAPE_S)

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield took_s
    finally:
        done.set()
        thread.join()


def _lags_ms(database: Path, start_ms: int, end_ms: int) -> list[int]:
    """From due to handed to the agent's connection, sorted."""
    connection = sqlite3.connect(database)
    try:
        query = "SELECT sent_ms - scheduled_ms FROM task WHERE scheduled_ms >= ? AND scheduled_ms < ? AND sent_ms > 0"
        return sorted(lag for (lag,) in connection.execute(query, (start_ms, end_ms)))
    finally:
        connection.close()
