"""
Takes the last states of probes back from the store, after a restart and for jobs that come back.

Beside everything else, since nothing waits for it; what a probe found meanwhile is newer and stays.
"""

import asyncio
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Never

import msgspec
import structlog
from msgspec import Struct

from protocol.errors import StoreFailed
from protocol.outcomes import Outcome, Reason
from server.metrics.details import read_detail
from server.metrics.jobs import JobMetrics
from server.metrics.probes import ProbeMetrics
from server.metrics.stats import ProbeLabels, Run
from server.series import target_of
from server.store.interface import DEGRADED, MAINTENANCE, JobName, LastEnd, Store

log = structlog.get_logger()

_CELLS_AT_ONCE = 500
_ROWS_OF_AN_AGENT = 20
"""So many ends of a cell are looked at for each of its agents."""
_SLICE = 200


class DeclaredProbe(Struct, frozen=True):
    """A cell of a job on an agent, whose series have these labels."""

    cell: JobName
    agent_uuid: str
    labels: ProbeLabels


class Restoring:
    """Restores what it is asked for."""

    def __init__(self, *, store: Store, probes: ProbeMetrics, jobs: JobMetrics) -> None:
        self._store = store
        self._probes = probes
        self._jobs = jobs
        self._wanted: list[DeclaredProbe] = []
        self._filled = asyncio.Event()

    def restore(self, probes: Iterable[DeclaredProbe]) -> None:
        """Restore these soon."""
        self._wanted += probes
        self._filled.set()

    async def run(self) -> Never:
        """Restore, until cancelled."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            wanted, self._wanted = self._wanted, []
            by_cell: dict[JobName, dict[str, ProbeLabels]] = {}
            for probe in wanted:
                by_cell.setdefault(probe.cell, {})[probe.agent_uuid] = probe.labels
            cells = list(by_cell)
            try:
                for start in range(0, len(cells), _CELLS_AT_ONCE):
                    await self._restore({cell: by_cell[cell] for cell in cells[start : start + _CELLS_AT_ONCE]})
            except StoreFailed as e:
                log.warning("last states of probes not restored; they come with the next runs", why=str(e))

    async def _restore(self, cells: Mapping[JobName, Mapping[str, ProbeLabels]]) -> None:
        agents = max(map(len, cells.values()))
        ends = await self._store.last_ends(list(cells), agents * _ROWS_OF_AN_AGENT)
        ok_ms: dict[ProbeLabels, float | None] = {}
        known: dict[ProbeLabels, LastEnd] = {}
        for place, end in enumerate(ends):
            if place % _SLICE == 0:
                await asyncio.sleep(0)
            in_maintenance = bool(end.flags & MAINTENANCE)
            self._jobs.tick(end.cron_source, end.scheduled_ms or 0, in_maintenance=in_maintenance)
            labels = cells[JobName(end.cron_source, end.cell)].get(end.agent_uuid)
            if labels is None or not _is_of(end, labels):
                continue
            if end.reason is None:
                ok_ms.setdefault(labels, end.latency_ms)
            if _outcome(end) is not Outcome.UNKNOWN:
                known.setdefault(labels, end)
        for labels, end in known.items():
            stats = self._probes.find(labels)
            if stats is not None:
                stats.restore(_run(end), ok_ms.get(labels))


def _is_of(end: LastEnd, labels: ProbeLabels) -> bool:
    """Whether the run was one of the same target: the job may have had another one then."""
    return _probed(end.spec, end.target) == (labels.type, labels.target)


@lru_cache(maxsize=4_096)
def _probed(spec: str, target: str | None) -> tuple[str, str]:
    return target_of(spec, target)


def _outcome(end: LastEnd) -> Outcome:
    return Outcome.OK if end.reason is None else Reason(end.reason).outcome


def _run(end: LastEnd) -> Run:
    return Run(
        reason=None if end.reason is None else Reason(end.reason),
        latency_ms=end.latency_ms,
        scheduled_ms=end.scheduled_ms,
        is_degraded=bool(end.flags & DEGRADED),
        detail=read_detail(None if end.detail is None else msgspec.json.decode(end.detail)),
    )
