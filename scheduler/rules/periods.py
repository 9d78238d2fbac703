"""
How long a job goes without a tick, and when in the week its silence means something.

By the clock on the wall: the hour that a clock change adds or takes is not looked at.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from cronsim import CronSim
from cronsim.cronsim import Field

from scheduler.cron import read_schedule
from scheduler.windows import DAY_MIN, Weekly

WEEK_MIN = 7 * DAY_MIN
_MINUTE_MS = 60_000
_LEAST_WINDOW_MS = 5 * _MINUTE_MS
_PERIODS_A_WINDOW = 4
_START = datetime(2026, 1, 1)  # noqa: DTZ001 the clock on the wall, in no zone
_YEAR = timedelta(days=366)
_HOUR = timedelta(hours=1)


@lru_cache(maxsize=4_096)
def period_ms(schedule: str) -> int:
    """The longest time between two ticks, active windows left aside."""
    meaning = read_schedule(schedule)
    if isinstance(meaning, int):
        return meaning
    *second, minute, hour, day, month, weekday = meaning.upper().split()
    hours = _longest_hours(f"0 {hour} {day} {month} {weekday}")
    minutes = _longest(hours, Field.MINUTE, minute)
    return 1_000 * _longest(minutes, Field.SECOND, second[0] if second else "0")


@lru_cache(maxsize=4_096)
def _longest_hours(expression: str) -> int:
    """The longest time, in hours, between two hours that have ticks: over a year, or to the second tick."""
    longest, last = timedelta(0), None
    for hour in CronSim(expression, _START):
        if last is not None:
            longest = max(longest, hour - last)
            if hour - _START > _YEAR:
                break
        last = hour
    return longest // _HOUR


def _longest(outer: int, field: Field, text: str) -> int:
    """The longest gap in units of the field, where those that are 60 times as long are ``outer`` apart at most."""
    inner = sorted(unit for unit in field.parse(text) if isinstance(unit, int))
    inside = [second - first for first, second in pairwise(inner)]
    return max([*inside, outer * 60 - inner[-1] + inner[0]])


def window_ms(period: int) -> int:
    """What ratios of a job are taken over: four periods, in ms, and at least 5 minutes."""
    return max(_LEAST_WINDOW_MS, _PERIODS_A_WINDOW * period)


@lru_cache(maxsize=512)
def longest_pause_ms(active: tuple[Weekly, ...]) -> int:
    """The longest time outside the windows; 0 when they have the whole week, or there are none."""
    pause = max(run for _, run in _runs(frozenset(range(WEEK_MIN)) - _minutes(active))) if active else 0
    return pause * _MINUTE_MS


@lru_cache(maxsize=512)
def watched_minutes(active: tuple[Weekly, ...], timezone: str, grace_ms: int) -> tuple[tuple[int, int], ...]:
    """
    Ranges of minutes of the week, in UTC from Sunday 00:00, in which a job has been active for longer than
    ``grace_ms``.

    In a zone that changes its clock these are the minutes for which that holds before and after the change.
    """
    local = _minutes(active)
    shifted = [frozenset((minute - offset) % WEEK_MIN for minute in local) for offset in _offsets_min(timezone)]
    grace = -(-grace_ms // _MINUTE_MS)
    late = [frozenset(minute for minute, run in _runs(minutes) if run > grace) for minutes in shifted]
    return tuple(_ranges(frozenset.intersection(*late)))


def _runs(minutes: frozenset[int]) -> Iterator[tuple[int, int]]:
    """Each minute of the week and for how many they have been all there; twice around, as a week follows a week."""
    run = 0
    for minute in range(2 * WEEK_MIN):
        run = run + 1 if minute % WEEK_MIN in minutes else 0
        yield minute % WEEK_MIN, run


def _minutes(active: tuple[Weekly, ...]) -> frozenset[int]:
    """The minutes of the week, from Sunday 00:00 on the wall, that the windows have."""
    return frozenset(
        ((day + 1) * DAY_MIN + minute) % WEEK_MIN
        for window in active
        for day in window.days
        for minute in range(window.start_min, window.end_min + (DAY_MIN if window.end_min <= window.start_min else 0))
    )


@lru_cache(maxsize=512)
def _offsets_min(timezone: str) -> frozenset[int]:
    """By how many minutes the zone is ahead of UTC, over a year."""
    zone = ZoneInfo(timezone)
    noons = (_START.replace(tzinfo=UTC) + timedelta(days=day) for day in range(_YEAR.days))
    offsets = (noon.astimezone(zone).utcoffset() or timedelta(0) for noon in noons)
    return frozenset(offset // timedelta(minutes=1) for offset in offsets)


def _ranges(minutes: frozenset[int]) -> Iterator[tuple[int, int]]:
    """Ascending, each from its first minute to right after its last."""
    starts = sorted(minute for minute in minutes if minute - 1 not in minutes)
    ends = sorted(minute + 1 for minute in minutes if minute + 1 not in minutes)
    return zip(starts, ends, strict=True)
