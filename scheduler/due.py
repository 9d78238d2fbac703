"""
When a job is due: its schedule in its zone, only inside its active windows, and delayed by its part of the splay.

Jobs that agree in all of it share one ``Schedule``, and so one trigger.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from scheduler.cron import Trigger, trigger_of
from scheduler.windows import Weekly, is_within, next_start

AUTO_SPLAY_MS = 60_000
_SPLAY_STEP_MS = 100
_MOST_STEPS = 600
_MOST_WINDOWS = 1_000
_EXAMPLE = datetime(2024, 1, 1, tzinfo=UTC)
_EXAMPLE_TICKS = 64
_MS = timedelta(milliseconds=1)


class Schedule(NamedTuple):
    """What makes a schedule distinct: its text, the name of its time zone, its delay, and the windows that bound it."""

    text: str
    timezone: str
    delay_ms: int = 0
    active: tuple[Weekly, ...] = ()


class ActiveTrigger(Trigger):
    """The times of ``trigger`` that lie inside ``windows``."""

    def __init__(self, trigger: Trigger, windows: tuple[Weekly, ...], zone: ZoneInfo) -> None:
        self._trigger = trigger
        self._windows = windows
        self._zone = zone

    def after(self, at: datetime) -> datetime | None:
        """The first time after ``at``; from outside the windows it looks on at the next one's start."""
        for _ in range(_MOST_WINDOWS):
            time = self._trigger.after(at)
            if time is None or is_within(self._windows, time, self._zone):
                return time
            start = next_start(self._windows, time, self._zone)
            if start is None:
                return None
            at = start - _MS
        return None


class DelayedTrigger(Trigger):
    """The times of ``trigger``, each ``delay_ms`` later."""

    def __init__(self, trigger: Trigger, delay_ms: int) -> None:
        self._trigger = trigger
        self._delay = delay_ms * _MS

    def after(self, at: datetime) -> datetime | None:
        """The first time after ``at``."""
        time = self._trigger.after(at - self._delay)
        return None if time is None else time + self._delay


def trigger(schedule: Schedule) -> Trigger:
    """
    The trigger of a schedule.

    Raises:
        ScheduleError: its text is no schedule.
    """
    found = trigger_of(schedule.text, schedule.timezone)
    if schedule.active:
        found = ActiveTrigger(found, schedule.active, ZoneInfo(schedule.timezone))
    return DelayedTrigger(found, schedule.delay_ms) if schedule.delay_ms else found


def is_ever_due(schedule: Schedule) -> bool:
    """Whether it has any time at all."""
    return trigger(schedule).after(_EXAMPLE) is not None


@lru_cache(maxsize=4_096)
def period_ms(text: str, timezone: str) -> int:
    """The least time between two ticks, as far as the first ones of a year show it."""
    ticks = [_EXAMPLE]
    times = trigger_of(text, timezone)
    while len(ticks) <= _EXAMPLE_TICKS and (time := times.after(ticks[-1])) is not None:
        ticks.append(time)
    return min((second - first) // _MS for first, second in pairwise(ticks[1:]))


def delay_ms(splay_ms: int, *key: str) -> int:
    """
    The part of a splay that falls to ``key``: always the same one, of at most 600 that are 100 ms apart or more.
    """
    step = max(_SPLAY_STEP_MS, splay_ms // _MOST_STEPS)
    steps = splay_ms // step
    return 0 if not steps else int.from_bytes(sha256("\0".join(key).encode()).digest()[:8]) % steps * step
