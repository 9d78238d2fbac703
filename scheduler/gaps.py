"""
What passed while no scheduler ran: the ticks of a job between its last one and a start, as one range.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache

from protocol.crontab import Gap
from scheduler.beats import due_of
from scheduler.cron import epoch_ms
from scheduler.due import Schedule, trigger
from scheduler.jobs import Job

MOST_TICKS = 1_000_000
"""More of one schedule are not counted: the range still says how long it was."""


def gaps(jobs: Iterable[Job], last_ms: Mapping[str, int], until_ms: int) -> list[Gap]:
    """The gaps of jobs whose last tick is in ``last_ms``, up to ``until_ms``; both are ms since the epoch."""
    found = (_gap(job, last_ms[job.name], until_ms) for job in jobs if job.enabled and job.name in last_ms)
    return [gap for gap in found if gap is not None]


def _gap(job: Job, last_ms: int, until_ms: int) -> Gap | None:
    tasks = {schedule: len(listed) for schedule, listed in due_of([job]).tasks.items()}
    first, last, ticks = until_ms, 0, 0
    for schedule, count in tasks.items():
        missed = _between(schedule, last_ms, until_ms)
        if missed:
            first, last = min(first, missed[0]), max(last, missed[-1])
            ticks += len(missed) * count
    return Gap(job.name, first, last, ticks) if ticks else None


def _between(schedule: Schedule, after_ms: int, until_ms: int) -> Sequence[int]:
    """The times of a schedule after the one and up to the other; those that differ by a delay are counted once."""
    delay_ms = schedule.delay_ms
    # By the minute, so that jobs whose last ticks differ a little share one list.
    start_ms = (after_ms - delay_ms) // 60_000 * 60_000
    times = _times(schedule._replace(delay_ms=0), start_ms, until_ms)
    first, end = bisect_right(times, after_ms - delay_ms), bisect_right(times, until_ms - delay_ms)
    return [time + delay_ms for time in times[first:end]]


@lru_cache(maxsize=256)
def _times(schedule: Schedule, after_ms: int, until_ms: int) -> list[int]:
    due = trigger(schedule)
    times: list[int] = []
    at = due.after(datetime.fromtimestamp(after_ms / 1_000, UTC))
    while at is not None and len(times) < MOST_TICKS:
        time = epoch_ms(at)
        if time > until_ms:
            break
        times.append(time)
        at = due.after(at)
    return times
