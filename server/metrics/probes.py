"""
The series about targets, written as text prepared per probe.

prometheus-client took 4.1 s for 10,000 probes; here the names and labels of a probe are rendered once, and a page is
written in slices between which the event loop breathes. Text format:
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import asyncio
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from itertools import accumulate

from msgspec import Struct

from protocol.outcomes import Outcome, Reason

LATENCY_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SLICE = 500


class ProbeLabels(Struct, frozen=True):
    """What every series about a probe carries; ``agent`` is its name in the job file, else its UUID."""

    cron_source: str
    agent: str
    type: str
    target: str


class ProbeStats:
    """What is known of one probe. Latencies are in seconds; ``None`` means none yet."""

    def __init__(self, labels: ProbeLabels) -> None:
        self.labels = labels
        pairs = ((name, getattr(labels, name)) for name in labels.__struct_fields__)
        self._labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs)
        self._runs = dict.fromkeys(Outcome, 0)
        self._failures: dict[Reason, int] = {}
        self._buckets = [0] * (len(LATENCY_BOUNDS) + 1)
        self._latency_sum = 0.0
        self._success: int | None = None
        self._degraded = 0
        self._latency: float | None = None
        self._last_run: float | None = None

    def record(
        self, reason: Reason | None, latency_ms: float | None, scheduled_ms: int | None, is_degraded: bool = False
    ) -> None:
        """Count one ended run; ``reason`` ``None`` is ok."""
        if reason is None:
            self._runs[Outcome.OK] += 1
            self._success = 1
            self._degraded = int(is_degraded)
            if latency_ms is not None:
                latency = latency_ms / 1000
                self._latency = latency
                self._buckets[bisect_left(LATENCY_BOUNDS, latency)] += 1
                self._latency_sum += latency
        else:
            self._count_failure(reason)
        if scheduled_ms is not None and (reason is None or reason.outcome is Outcome.FAILED):
            self._last_run = scheduled_ms / 1000

    def _count_failure(self, reason: Reason) -> None:
        outcome = reason.outcome
        self._runs[outcome] += 1
        self._failures[reason] = self._failures.get(reason, 0) + 1
        if outcome is Outcome.FAILED:
            self._success = self._degraded = 0

    def success(self) -> Iterator[str]:
        """``probe_success``."""
        if self._success is not None:
            yield f"probe_success{{{self._labels}}} {self._success}\n"

    def degraded(self) -> Iterator[str]:
        """``probe_degraded``."""
        if self._success is not None:
            yield f"probe_degraded{{{self._labels}}} {self._degraded}\n"

    def duration(self) -> Iterator[str]:
        """``probe_duration_seconds``."""
        if self._latency is not None:
            yield f"probe_duration_seconds{{{self._labels}}} {self._latency!r}\n"

    def last_run(self) -> Iterator[str]:
        """``cronprobe_last_run_timestamp_seconds``."""
        if self._last_run is not None:
            yield f"cronprobe_last_run_timestamp_seconds{{{self._labels}}} {self._last_run!r}\n"

    def runs(self) -> Iterator[str]:
        """``cronprobe_runs_total``."""
        for outcome, count in self._runs.items():
            yield f'cronprobe_runs_total{{{self._labels},outcome="{outcome}"}} {count}\n'

    def failures(self) -> Iterator[str]:
        """``cronprobe_run_failures_total``."""
        for reason, count in self._failures.items():
            yield f'cronprobe_run_failures_total{{{self._labels},reason="{reason.word}"}} {count}\n'

    def latencies(self) -> Iterator[str]:
        """``cronprobe_latency_seconds``."""
        counts = list(accumulate(self._buckets))
        for bound, count in zip(LATENCY_BOUNDS, counts, strict=False):
            yield f'cronprobe_latency_seconds_bucket{{{self._labels},le="{bound!r}"}} {count}\n'
        yield f'cronprobe_latency_seconds_bucket{{{self._labels},le="+Inf"}} {counts[-1]}\n'
        yield f"cronprobe_latency_seconds_sum{{{self._labels}}} {self._latency_sum!r}\n"
        yield f"cronprobe_latency_seconds_count{{{self._labels}}} {counts[-1]}\n"


# name, type, help, lines of one probe
_FAMILIES: tuple[tuple[str, str, str, Callable[[ProbeStats], Iterator[str]]], ...] = (
    ("probe_success", "gauge", "Whether the last known run was ok.", ProbeStats.success),
    ("probe_duration_seconds", "gauge", "Latency of the last ok run.", ProbeStats.duration),
    ("probe_degraded", "gauge", "Whether the last known run was ok and slower than its warning.", ProbeStats.degraded),
    (
        "cronprobe_last_run_timestamp_seconds",
        "gauge",
        "Scheduled time of the last known run.",
        ProbeStats.last_run,
    ),
    ("cronprobe_runs_total", "counter", "Ended runs by outcome.", ProbeStats.runs),
    ("cronprobe_run_failures_total", "counter", "Failed and unknown runs by reason.", ProbeStats.failures),
    ("cronprobe_latency_seconds", "histogram", "Latency of ok runs.", ProbeStats.latencies),
)


class ProbeMetrics:
    """All probes by their labels."""

    def __init__(self) -> None:
        self._stats: dict[ProbeLabels, ProbeStats] = {}

    def of(self, labels: ProbeLabels) -> ProbeStats:
        """The stats of a probe, from zero when it is new."""
        return self._stats.setdefault(labels, ProbeStats(labels))

    def drop(self, gone: Iterable[ProbeLabels]) -> None:
        """These probes are no longer declared: their series leave the page."""
        for labels in gone:
            self._stats.pop(labels, None)

    async def page(self) -> AsyncIterator[str]:
        """The series of all probes as text, slice by slice."""
        probes = list(self._stats.values())
        for name, kind, documentation, lines in _FAMILIES:
            yield f"# HELP {name} {documentation}\n# TYPE {name} {kind}\n"
            for start in range(0, len(probes), _SLICE):
                yield "".join(line for stats in probes[start : start + _SLICE] for line in lines(stats))
                await asyncio.sleep(0)


def series_of_a_probe() -> int:
    """How many series a probe has once it was ok; each reason why it is not adds one."""
    stats = ProbeStats(ProbeLabels("", "", "", ""))
    stats.record(None, 1, 1)
    return sum(len(list(lines(stats))) for _, _, _, lines in _FAMILIES)


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
