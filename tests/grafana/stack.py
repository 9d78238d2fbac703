"""
Cronprobe with its example jobs, and Debian's Prometheus with the shipped configuration and rules, as real processes.

Both are on free ports: those of the example and of the configuration are replaced in copies. Job files of a test may
stand beside the example; Prometheus has the rules that cronprobe makes of all of them.
"""

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / "deploy/prometheus/prometheus.yml"
EXAMPLE = ROOT / "jobs.example.yaml"
RULES = ROOT / "deploy/prometheus/rules"
DEFAULT_ADDRESS = "127.0.0.1:2211"
START_S = 20.0
STOP_S = 10.0
ANSWER_S = 5.0
LOOK_EVERY_S = 0.5


class Stack(NamedTuple):
    """Where the two processes listen."""

    cronprobe: str
    prometheus: str
    state: Path

    def root_token(self) -> str:
        return (self.state / "root-token").read_text().strip()

    def metrics(self) -> str:
        return get(f"{self.cronprobe}/metrics")

    def samples(self, query: str) -> list[float]:
        """The values of an instant query."""
        answer = json.loads(get(f"{self.prometheus}/api/v1/query?{urlencode({'query': query})}"))
        return [float(series["value"][1]) for series in answer["data"]["result"]]


def get(url: str) -> str:
    with urlopen(url, timeout=ANSWER_S) as response:
        return str(response.read(), "utf-8")


def wait_until(holds: Callable[[], bool], within_s: float) -> bool:
    """Whether ``holds`` within that time; what cannot be reached yet does not hold yet."""
    end_s = time.monotonic() + within_s
    while time.monotonic() < end_s:
        try:
            if holds():
                return True
        except (URLError, ConnectionError):
            pass
        time.sleep(LOOK_EVERY_S)
    return False


@contextmanager
def open_stack(folder: Path, *beside: Path) -> Iterator[Stack]:
    """``beside`` are job files for the same cronprobe."""
    cronprobe, prometheus = free_addresses(2)
    jobs = [_copy(EXAMPLE, folder, cronprobe), *beside]
    configuration = _copy(CONFIGURATION, folder, cronprobe)
    _write_rules(folder / "rules", jobs)
    state = folder / "state"
    up = [sys.executable, "-m", "cli", "up", "--listen", cronprobe, "--state-dir", str(state), *map(str, jobs)]
    scrape = ["prometheus", f"--config.file={configuration}", f"--web.listen-address={prometheus}"]
    stack = Stack(f"http://{cronprobe}", f"http://{prometheus}", state)
    with (
        _open_process(up, f"{stack.cronprobe}/-/ready", folder / "cronprobe.log"),
        _open_process(
            [*scrape, f"--storage.tsdb.path={folder / 'tsdb'}"],
            f"{stack.prometheus}/-/ready",
            folder / "prometheus.log",
        ),
    ):
        yield stack


@contextmanager
def _open_process(command: Sequence[str], ready_url: str, log: Path) -> Iterator[None]:
    with log.open("wb") as stream, subprocess.Popen(command, cwd=ROOT, stdout=stream, stderr=stream) as process:
        try:
            is_ready = wait_until(lambda: bool(get(ready_url)), START_S)
            assert is_ready, f"{command[0]} is not ready within {START_S:g} s:\n{log.read_text()}"
            yield
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def _write_rules(folder: Path, jobs: Sequence[Path]) -> None:
    """What is shipped, but for the jobs that run here instead of the example's."""
    folder.mkdir()
    shutil.copy(RULES / "cronprobe.yml", folder)
    (folder / "jobs.yml").write_text(rules_of(jobs))


def rules_of(jobs: Sequence[Path]) -> str:
    """What ``cronprobe rules`` prints of jobs, without those about itself."""
    command = [sys.executable, "-m", "cli", "rules", "--no-self", *map(str, jobs)]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=START_S).stdout


def _copy(file: Path, folder: Path, address: str) -> Path:
    text = file.read_text()
    assert DEFAULT_ADDRESS in text
    copy = folder / file.name
    copy.write_text(text.replace(DEFAULT_ADDRESS, address))
    return copy


def free_addresses(count: int) -> list[str]:
    """Addresses that nobody listened on a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{open_socket.getsockname()[1]}" for open_socket in sockets]
    for open_socket in sockets:
        open_socket.close()
    return addresses
