"""
What pages know of every probe: its last run, and its last 24 hours.

It listens to stored results; what a declaration leaves out is forgotten. At the start it is filled from the store by
``restoring``. A result that comes after its deadline changes no strip here: the run was told as ``no_result``.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from msgspec import Struct

from protocol.outcomes import Outcome, Reason
from server.jobs import Job
from server.pages.quarters import QUARTER_MS, Ended, Quarters
from server.results import Finished
from server.running import Series
from server.store.interface import MAINTENANCE

_PATIENCE_MS = 120_000
# A name is found faster than a member of an enumeration, and a plain number is added faster.
_OK, _DEGRADED = int(Ended.OK), int(Ended.DEGRADED)


class ProbeKey(NamedTuple):
    """What tells the probes of a job apart."""

    agent_uuid: str
    type: str
    target: str


class Run(Struct, frozen=True, gc=False):
    """How a probe's run ended; ``reason`` ``None`` is ok, ``scheduled_ms`` is since the epoch."""

    scheduled_ms: int
    reason: Reason | None
    is_degraded: bool
    latency_ms: float | None
    flags: int

    @property
    def in_maintenance(self) -> bool:
        """Whether it was due inside a maintenance window of its job."""
        return bool(self.flags & MAINTENANCE)

    @property
    def ended(self) -> Ended:
        """The run as a strip shows it."""
        return how_ended(self.reason, self.is_degraded)


def how_ended(reason: Reason | None, is_degraded: bool) -> Ended:
    """A run's end as a strip shows it."""
    if reason is None:
        return Ended.DEGRADED if is_degraded else Ended.OK
    return Ended.FAILED if reason.outcome is Outcome.FAILED else Ended.UNKNOWN


class Probe:
    """One probe: ``last`` is its newest run by the time it was due, ``None`` for none in memory."""

    __slots__ = ("_last_ms", "_longest_ms", "last", "quarters")

    def __init__(self) -> None:
        self.last: Run | None = None
        self.quarters = Quarters()
        self._last_ms = -1
        self._longest_ms = 0

    def note(self, run: Run) -> None:
        """A run has ended."""
        scheduled_ms = run.scheduled_ms
        before_ms = self._last_ms
        if scheduled_ms > before_ms:
            if before_ms >= 0 and scheduled_ms - before_ms > self._longest_ms:
                self._longest_ms = scheduled_ms - before_ms
            self._last_ms = scheduled_ms
            self.last = run

    def is_silent(self, now_ms: int) -> bool:
        """Whether nothing was heard for twice the longest time between two ticks so far: nobody fires it any more."""
        if self.last is None:
            return True
        return self._longest_ms > 0 and now_ms - self._last_ms > 2 * self._longest_ms + _PATIENCE_MS


class Watch:
    """Hears of ended runs; ``job`` ``None`` of all."""

    def __init__(self, job: str | None) -> None:
        self._job = job
        self._news = asyncio.Event()

    def put(self, names: Collection[str]) -> None:
        """Runs of these jobs have ended."""
        if self._job is None or self._job in names:
            self._news.set()

    async def changed(self) -> None:
        """Wait until something has changed since this was awaited last."""
        await self._news.wait()
        self._news.clear()


class History:
    """All probes, by job and key."""

    def __init__(self, *, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._started_ms = now_ms()
        self._jobs: dict[str, dict[ProbeKey, Probe]] = {}
        self._known: dict[Series, Probe] = {}
        self._waiting: set[str] = set()
        self._watches: set[Watch] = set()

    @property
    def started_ms(self) -> int:
        """What ended earlier is the store's to tell, ms since the epoch."""
        return self._started_ms

    def take(self, finished: Sequence[Finished]) -> None:
        """Count stored runs."""
        this_quarter = self._now_ms() // QUARTER_MS
        started_ms, known = self._started_ms, self._known
        for run in finished:
            task, verdict, finished_ms = run.task, run.verdict, run.finished_ms
            probe = known.get(task.series) or self._learn(task.series)
            if probe is None or (finished_ms < started_ms and task.series.cron_source in self._waiting):
                continue  # asked for by hand, or to come from the store
            reason, is_degraded, latency_ms = verdict.reason, verdict.is_degraded, verdict.latency_ms
            scheduled_ms = task.scheduled_ms
            probe.note(
                Run(finished_ms if scheduled_ms is None else scheduled_ms, reason, is_degraded, latency_ms, task.flags)
            )
            quarter = finished_ms // QUARTER_MS
            if quarter > this_quarter:  # an agent's clock may be ahead of ours
                quarter = this_quarter
            if reason is None:
                probe.quarters.add(quarter, _DEGRADED if is_degraded else _OK, latency_ms)
            else:
                probe.quarters.add(quarter, how_ended(reason, is_degraded), None)
        if self._watches:
            names = {run.task.series.cron_source or "" for run in finished}
            for watch in self._watches:
                watch.put(names)

    def _learn(self, series: Series) -> Probe | None:
        """The probe that the series is of, looked up once; ``None`` for a task that no job asked for."""
        if series.stats is None:
            return None
        labels = series.stats.labels
        probe = self.probe(labels.cron_source, ProbeKey(series.agent_uuid, labels.type, labels.target))
        self._known[series] = probe
        return probe

    def probe(self, job: str, key: ProbeKey) -> Probe:
        """The probe, empty when it is new."""
        probes = self._jobs.get(job)
        if probes is None:
            probes = self._jobs[job] = {}
        probe = probes.get(key)
        if probe is None:
            probe = probes[key] = Probe()
        return probe

    def find(self, job: str, key: ProbeKey) -> Probe | None:
        """The probe, ``None`` when nothing was heard of it."""
        return self._jobs.get(job, {}).get(key)

    def keep(self, jobs: Iterable[Job]) -> None:
        """Forget every probe that these jobs do not have."""
        self._known.clear()
        declared = {job.declared.name: set(probe_keys(job)) for job in jobs}
        self._jobs = {
            name: kept
            for name, probes in self._jobs.items()
            if (kept := {key: probe for key, probe in probes.items() if key in declared.get(name, ())})
        }
        self._news(declared)

    def expect_restored(self, jobs: Collection[str]) -> None:
        """What these jobs did before the start comes from the store, job by job."""
        self._waiting.update(jobs)

    def restored(self, job: str) -> None:
        """This job's past is complete."""
        self._waiting.discard(job)
        self._news((job,))

    def _news(self, names: Collection[str]) -> None:
        for watch in self._watches:
            watch.put(names)

    def watch(self, job: str | None = None) -> Watch:
        """Hear of ended runs, until unwatched."""
        watch = Watch(job)
        self._watches.add(watch)
        return watch

    def unwatch(self, watch: Watch) -> None:
        """Hear no more."""
        self._watches.discard(watch)


def probe_keys(job: Job) -> Iterator[ProbeKey]:
    """The probes that a declared job has."""
    for uuid in job.cron.agents:
        for cell in job.declared.cells:
            yield ProbeKey(uuid, cell.type, cell.target)
