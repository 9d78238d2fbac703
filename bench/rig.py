"""The rig: a server process on one core, load agents on another, and what the database says afterwards."""

import array
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from uuid import UUID

import psutil

from bench.database import Database, Row
from bench.report import Ledger, Report

SERVER_CORE, _AGENTS_CORE = 0, 1
ROOT = "benchbenchbenchb:" + "0" * 32
_TIMEOUT_S = 2
_READY_S = 30


def measure(folder: Path, *, agents: int, rate: int, seconds: int, store: str | None = None) -> Report:
    """
    Fire ``rate`` tasks once a second for ``seconds`` and see what becomes of them.

    ``store`` is the URL of a PostgreSQL, whose database is emptied; ``None`` is SQLite in the folder.
    """
    database = Database(store or f"sqlite:///{folder / 'bench.db'}")
    database.empty()
    port = free_port()
    uuids = [str(UUID(int=(7 << 120) + n)) for n in range(agents)]
    jobs = max(1, round(rate / agents))
    _write_jobs(folder / "jobs.yaml", uuids, jobs)
    agents_file = folder / "agents"
    agents_file.write_text("".join(f"{uuid} {ROOT}\n" for uuid in uuids))
    up = ["-m", "cli", "--log-level", "warning", "up", "--no-agent", "--quiet", f"--listen=127.0.0.1:{port}"]
    up.append(f"--store={database.url}")
    with process(SERVER_CORE, [*up, f"--state-dir={folder / 'state'}", str(folder / "jobs.yaml")]) as server:
        await_ready(port, server)
        with load_agents(f"http://127.0.0.1:{port}/", agents_file, folder / "acknowledged"):
            first_s = int(time.time()) + 3
            sleep_until(first_s)
            watched = psutil.Process(server.pid)
            before, rss = watched.cpu_times(), 0
            last_s = first_s + seconds
            while time.time() < last_s:
                time.sleep(0.25)
                rss = max(rss, watched.memory_info().rss)
            after = watched.cpu_times()
            sleep_until(last_s + _TIMEOUT_S + 2)
            missed = _missed(port)
        server.terminate()
        if server.wait(10) != 0:
            raise RuntimeError(f"the server ended with {server.returncode}")
    rows = database.rows(first_s * 1000, last_s * 1000)
    delays = _delays(rows, folder / "acknowledged")
    ledger = _ledger(rows, due=seconds * jobs * agents, missed=missed)
    return Report(
        rate=jobs * agents,
        completed_per_s=ledger["ok"] / seconds,
        p50_ms=percentile(delays, 0.50),
        p99_ms=percentile(delays, 0.99),
        cpu_cores=(after.user + after.system - before.user - before.system) / seconds,
        rss_mb=rss / 1e6,
        ledger=ledger,
    )


def measure_naive(folder: Path, *, agents: int, seconds: int) -> float:
    """Completed tasks a second of the one-row-per-transaction way, on the same cores."""
    port = free_port()
    agents_file = folder / "agents"
    agents_file.write_text("".join(f"{UUID(int=(7 << 120) + n)} x:y\n" for n in range(agents)))
    arguments = ["-m", "bench.naive", str(port), str(folder / "naive.db"), str(seconds)]
    with process(SERVER_CORE, arguments, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        server.stdout.readline()
        with load_agents(f"http://127.0.0.1:{port}/", agents_file, folder / "acknowledged"):
            return float(server.stdout.readline())


def _write_jobs(path: Path, uuids: list[str], jobs: int) -> None:
    lines = ["version: 1", "agents:"]
    lines += [f"  a{n}: {{uuid: {uuid}}}" for n, uuid in enumerate(uuids)]
    lines += ["jobs:"]
    common = f'schedule: "* * * * * *", agents: all, timeout: {_TIMEOUT_S}s'
    lines += [f"  job{n}: {{{common}, task: {{ping: 127.0.0.{n % 250 + 1}}}}}" for n in range(jobs)]
    path.write_text("\n".join(lines) + "\n")


@contextmanager
def process(core: int, arguments: list[str], stdout: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """This Python with these arguments, on one core; killed on leaving."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=stdout or subprocess.DEVNULL,
        env={**os.environ, "CRONPROBE_ROOT_TOKEN": ROOT},
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        _close(process.stdout)


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        stream.close()


@contextmanager
def load_agents(url: str, agents_file: Path, out: Path) -> Iterator[None]:
    """Load agents that are all connected; when they are done, the times of their acknowledgements are in ``out``."""
    arguments = ["-m", "bench.load_agents", url, str(agents_file), str(out)]
    with process(_AGENTS_CORE, arguments, stdout=subprocess.PIPE) as agents:
        assert agents.stdout is not None
        agents.stdout.readline()
        yield
        agents.terminate()
        agents.wait(10)


def await_ready(port: int, server: subprocess.Popen[bytes]) -> None:
    """
    Wait until the server answers.

    Raises:
        RuntimeError: it does not.
    """
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the server did not get ready")


def _missed(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
        lines = page.read().decode().splitlines()
    name = 'cronprobe_scheduler_ticks_total{outcome="missed"} '
    return sum(int(float(line.removeprefix(name))) for line in lines if line.startswith(name))


def _delays(rows: Sequence[Row], acknowledged: Path) -> list[int]:
    """From the scheduled time to the acknowledgement at the agent, which comes after the commit; sorted."""
    numbers = array.array("q", acknowledged.read_bytes())
    times = dict(zip(numbers[::2], numbers[1::2], strict=True))
    return sorted(times[id_] - scheduled for id_, scheduled, _, _ in rows if id_ in times)


def _ledger(rows: Sequence[Row], *, due: int, missed: int) -> Ledger:
    unknown = sum(reason is not None and reason >= 100 for _, _, _, reason in rows)
    failed = sum(reason is not None and reason < 100 for _, _, _, reason in rows)
    ok = sum(success == 1 for _, _, success, _ in rows)
    return {"due": due, "ok": ok, "failed": failed, "unknown": unknown, "missed": missed}


def percentile(ordered: list[int], share: float) -> float:
    """The value that ``share`` of them do not exceed; no number when there are none."""
    return float(ordered[min(len(ordered) - 1, int(len(ordered) * share))]) if ordered else float("nan")


def sleep_until(second: float) -> None:
    """Sleep until that time, seconds since the epoch."""
    time.sleep(max(0.0, second - time.time()))


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
