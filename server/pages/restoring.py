"""
Fills the history from the store after a start, job by job, so that neither the start nor a tick waits for it.

What ended before the start is counted here, what ended later is heard by the history itself.
"""

from collections.abc import Iterable, Sequence

import structlog

from protocol.conditions import FinishedBetween, FromCron, Limit
from protocol.errors import Error
from protocol.outcomes import Reason
from protocol.stats import MOST_GROUPS, Grouping, GroupStats
from server.jobs import Job
from server.pages.history import History, ProbeKey, Run
from server.pages.quarters import PLACES, QUARTER_MS, Ended
from server.rows import read_task_name
from server.store.interface import DEGRADED, Store, StoredTask

log = structlog.get_logger()

_BY = Grouping(agent=True, type=True, bucket_ms=QUARTER_MS, cell=True)
_RUNS_OF_A_PROBE = 2
_MOST_ROWS = 2_000


async def restore(history: History, store: Store, jobs: Sequence[Job]) -> None:
    """Restore the last day of these jobs."""
    history.expect_restored([job.declared.name for job in jobs])
    for job in jobs:
        try:
            await _restore(history, store, job)
        except Error as e:
            log.warning("the last day of a job is not shown", cron_source=job.declared.name, why=str(e))
        history.restored(job.declared.name)
    if jobs:
        log.info("history restored", jobs=len(jobs))


async def _restore(history: History, store: Store, job: Job) -> None:
    name = job.declared.name
    targets = {cell.name: cell.target for cell in job.declared.cells}
    probes = len(job.cron.agents) * len(targets)
    if not probes:
        return
    rows = await store.select([FromCron(name), Limit(min(_RUNS_OF_A_PROBE * probes, _MOST_ROWS))])
    last = history.started_ms // QUARTER_MS
    quarters_at_once = max(1, min(PLACES, MOST_GROUPS // (probes * 2)))
    for first in range(last - PLACES + 1, last + 1, quarters_at_once):
        end_ms = min((first + quarters_at_once) * QUARTER_MS, history.started_ms) - 1
        groups = await store.stats([FromCron(name), FinishedBetween(first * QUARTER_MS, end_ms)], _BY)
        _count(history, name, groups, targets)
    _note(history, name, rows, targets)


def _count(history: History, name: str, groups: Iterable[GroupStats], targets: dict[str, str]) -> None:
    for group in groups:
        target = targets.get(group.cell or "")
        if target is None or group.bucket is None or group.agent_uuid is None or group.type is None:
            continue  # a cell that the job no longer has
        quarters = history.probe(name, ProbeKey(group.agent_uuid, group.type, target)).quarters
        quarter = group.bucket // QUARTER_MS
        timed = ((Ended.OK, group.ok - group.degraded), (Ended.DEGRADED, group.degraded))
        for ended, count in timed:
            if count:
                quarters.add(quarter, ended, group.mean_ms, count)
        for ended, count in ((Ended.FAILED, group.failed), (Ended.UNKNOWN, group.unknown)):
            if count:
                quarters.add(quarter, ended, None, count)


def _note(history: History, name: str, rows: Sequence[StoredTask], targets: dict[str, str]) -> None:
    """The newest runs of each probe, the oldest of them first."""
    for row in reversed(rows):
        target = targets.get(row.cell or "")
        if target is None or row.scheduled_ms is None or row.success is None:
            continue
        run = Run(
            row.scheduled_ms,
            None if row.reason is None else Reason(row.reason),
            bool(row.flags & DEGRADED),
            row.latency_ms,
            row.flags,
        )
        history.probe(name, ProbeKey(row.agent_uuid, read_task_name(row.spec), target)).note(run)
