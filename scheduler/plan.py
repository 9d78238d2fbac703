"""
What job files would change and what they cost, before they run: pure, so that it can be asked of any two of them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from msgspec import Struct

from scheduler.beats import due_of
from scheduler.cron import epoch_ms
from scheduler.definition import definition
from scheduler.due import Schedule, trigger
from scheduler.jobs import JobFile

HORIZON = timedelta(days=1)
ROW_BYTES = 110
"""A stored run with its share of three indexes, measured over 10 million rows; what a response holds comes on top."""
_ENOUGH_TICKS = 61

Definitions = Mapping[str, Mapping[str, Any]]
"""Jobs by name, each in the words of the job file."""


class Changed(Struct, frozen=True):
    """A job that is in both; ``keys`` has (key, before, after), ``None`` where the key is not given."""

    name: str
    keys: tuple[tuple[str, Any, Any], ...]


class Changes(Struct, frozen=True):
    """From one state to another, each in the order of its files."""

    added: tuple[str, ...]
    changed: tuple[Changed, ...]
    removed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


class Cost(Struct, frozen=True):
    """
    What jobs cost over the day that follows.

    Only what is enabled counts. ``probes`` are combinations of job, cell and agent, ``busiest_second`` is how many
    tasks begin in the worst one.
    """

    jobs: int
    probes: int
    agents: int
    busiest_second: int
    rows_per_day: int

    @property
    def bytes_per_day(self) -> int:
        """About how much the database grows."""
        return self.rows_per_day * ROW_BYTES


def definitions(jobs: JobFile) -> dict[str, dict[str, Any]]:
    """The jobs in the words of the job file."""
    return {job.name: definition(job) for job in jobs.jobs}


def changes(before: Definitions, after: Definitions) -> Changes:
    """What has to happen to get from ``before`` to ``after``."""
    return Changes(
        added=tuple(name for name in after if name not in before),
        changed=tuple(
            Changed(name, tuple(_differences(before[name], after[name])))
            for name in after
            if name in before and before[name] != after[name]
        ),
        removed=tuple(name for name in before if name not in after),
    )


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for key in dict.fromkeys([*before, *after]):
        if before.get(key) != after.get(key):
            yield key, before.get(key), after.get(key)


def cost(jobs: JobFile, at: datetime) -> Cost:
    """What the jobs cost in the day after ``at``, which has a time zone."""
    tasks = due_of(jobs.jobs).tasks
    seconds: Counter[int] = Counter()
    rows = 0
    for schedule, listed in tasks.items():
        times = _times(schedule._replace(delay_ms=0), at)
        rows += len(times) * len(listed)
        for time in times:
            seconds[(time + schedule.delay_ms) // 1_000] += len(listed)
    running = [job for job in jobs.jobs if job.enabled]
    return Cost(
        jobs=len(running),
        probes=sum(len(job.agents) * len(job.cells) for job in running),
        agents=len({agent.uuid for job in running for agent in job.agents}),
        busiest_second=max(seconds.values(), default=0),
        rows_per_day=rows,
    )


@lru_cache(maxsize=4_096)
def _times(schedule: Schedule, at: datetime) -> list[int]:
    """The times of a schedule in the day after ``at``, ms since the epoch."""
    due = trigger(schedule)
    times: list[int] = []
    time = due.after(at)
    while time is not None and time <= at + HORIZON:
        times.append(epoch_ms(time))
        time = due.after(time)
    return times


def tasks_per_minute(jobs: JobFile, at: datetime) -> float:
    """How many tasks the jobs create in a minute, averaged over the hour after ``at`` (which has a time zone)."""
    counts: Counter[Schedule] = Counter()
    for schedule, listed in due_of(jobs.jobs).tasks.items():
        counts[schedule._replace(delay_ms=0)] += len(listed)
    return sum(count * _ticks_per_minute(schedule, at) for schedule, count in counts.items())


def _ticks_per_minute(schedule: Schedule, at: datetime) -> float:
    """A schedule that is due often shows its rate in whole minutes before the hour is over."""
    due = trigger(schedule)
    ticks = 0
    following = due.after(at)
    for minutes in range(1, 61):
        end = at + timedelta(minutes=minutes)
        while following is not None and following <= end:
            ticks += 1
            following = due.after(following)
        if ticks >= _ENOUGH_TICKS:
            return ticks / minutes
    return ticks / 60
