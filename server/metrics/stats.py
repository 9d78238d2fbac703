"""
What is known of one probe: its last state, and what was counted since the start.

How it is shown: ``families.py``.
"""

from bisect import bisect_left
from typing import NamedTuple

from msgspec import Struct

from protocol.outcomes import Outcome, Reason
from server.metrics.details import NOTHING, Detail
from server.metrics.text import labels_text

LATENCY_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class ProbeLabels(Struct, frozen=True):
    """What every series about a probe carries; ``agent`` is its name in the job file, else its UUID."""

    cron_source: str
    agent: str
    type: str
    target: str


class Run(Struct, frozen=True, gc=False):
    """
    An ended run: ``reason`` ``None`` is ok, ``latency_ms`` ``None`` when there is none. Stamps are ms since the epoch.

    ``task_id`` and ``ended_ms`` are for exemplars; id 0 stands for a run that is none.
    """

    reason: Reason | None
    latency_ms: float | None
    scheduled_ms: int | None
    is_degraded: bool = False
    detail: Detail = NOTHING
    task_id: int = 0
    ended_ms: int = 0


class Exemplar(NamedTuple):
    """The run that a bucket counted last; ``latency`` in seconds, ``ended_ms`` since the epoch."""

    task_id: int
    latency: float
    ended_ms: int


class ProbeStats:
    """
    Latencies are in seconds, ``last_run`` since the epoch; ``None`` means none yet.

    ``texts`` is for whoever shows them: by family, what was shown last with what it was made from.
    """

    def __init__(self, labels: ProbeLabels) -> None:
        self.labels = labels
        self.labels_text = labels_text({name: getattr(labels, name) for name in labels.__struct_fields__})
        self.texts: dict[object, tuple[object, str]] = {}
        self.runs = dict.fromkeys(Outcome, 0)
        self.runs_total = 0
        self.failures: dict[Reason, int] = {}
        self.failures_total = 0
        self.buckets = [0] * (len(LATENCY_BOUNDS) + 1)
        self.exemplars: dict[int, Exemplar] = {}
        self.latency_sum = 0.0
        self.latency_count = 0
        self.success: int | None = None
        self.degraded = 0
        self.latency: float | None = None
        self.last_run: float | None = None
        self.detail = NOTHING
        self.packets_sent = 0
        self.packets_received = 0

    def record(self, run: Run) -> None:
        """Count an ended run."""
        reason = run.reason
        outcome = Outcome.OK if reason is None else reason.outcome
        self.runs[outcome] += 1
        self.runs_total += 1
        if reason is not None:
            self.failures[reason] = self.failures.get(reason, 0) + 1
            self.failures_total += 1
        if outcome is Outcome.UNKNOWN:
            return
        self._take_over(run)
        self.packets_sent += run.detail.packets_sent
        self.packets_received += run.detail.packets_received
        if reason is None and run.latency_ms is not None:
            for latency in run.detail.round_trips_s or (run.latency_ms / 1000,):
                self._observe(latency, run)

    def restore(self, run: Run, latency_ms: float | None) -> None:
        """
        Take over the last known run of an earlier process, and the latency of the last one that was ok.

        Nothing of that is counted; a run that was recorded meanwhile knows better.
        """
        if self.latency is None and latency_ms is not None:
            self.latency = latency_ms / 1000
        if self.success is None:
            self._take_over(run)

    def _take_over(self, run: Run) -> None:
        self.success = int(run.reason is None)
        self.degraded = int(run.is_degraded)
        self.detail = run.detail
        if run.reason is None and run.latency_ms is not None:
            self.latency = run.latency_ms / 1000
        if run.scheduled_ms is not None:
            self.last_run = run.scheduled_ms / 1000

    def _observe(self, latency: float, run: Run) -> None:
        bucket = bisect_left(LATENCY_BOUNDS, latency)
        self.buckets[bucket] += 1
        self.latency_sum += latency
        self.latency_count += 1
        if run.task_id:
            self.exemplars[bucket] = Exemplar(run.task_id, latency, run.ended_ms)
