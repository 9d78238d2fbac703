"""
Fire times around every change of the clock are those of an independent oracle, and no time is fired twice or never.

Three whole years of 300 expressions are compared in ``tests/acceptance``.
"""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from scheduler.cron import trigger_of
from tests.scheduler.cron_cases import TRAPS, YEARS, ZONES
from tests.scheduler.cron_oracle import DAY_MIN, Expression, stretches

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def fired(expression: str, zone: str, first: date, last: date) -> list[int]:
    """The trigger's times from the start of one date to that of the other, in seconds since the epoch."""
    start, end = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (first, last))
    trigger = trigger_of(expression, zone)
    times: list[int] = []
    at: datetime | None = start - timedelta(seconds=1)
    while (at := trigger.after(at)) is not None and at < end:
        times.append(int((at - EPOCH).total_seconds()))
    return times


def windows(zone: str) -> list[tuple[date, date]]:
    """Two days before and after each change of the clock; for a zone without any, a turn of the year."""
    whole = stretches(zone, *YEARS)
    odd = sorted({each.day for each in whole[1:-1] if each.last - each.first < DAY_MIN})
    starts = [day for day in odd if day - timedelta(days=1) not in odd] or [date(2026, 1, 1)]
    return [(day - timedelta(days=2), day + timedelta(days=3)) for day in starts]


@pytest.mark.parametrize("zone", ZONES)
def test_around_changes_of_the_clock_it_fires_when_the_rule_says(zone: str) -> None:
    assert len(windows(zone)) == (1 if zone in ("UTC", "Asia/Shanghai") else 6)
    for text in TRAPS:
        for window in windows(zone):
            assert fired(text, zone, *window) == list(Expression(text).times(zone, *window)), (text, window)


@pytest.mark.parametrize("zone", ZONES)
def test_a_daily_time_is_fired_once_on_each_date_of_its_zone(zone: str) -> None:
    for first, last in windows(zone):
        for minute in range(0, DAY_MIN, 30 if zone in ("UTC", "Asia/Shanghai") else 11):
            if 4 * 60 < minute < 22 * 60:
                continue  # no zone of ours changes its clock then
            times = fired(f"{minute % 60} {minute // 60} * * *", zone, first, last)
            dates = Counter(datetime.fromtimestamp(time, ZoneInfo(zone)).date() for time in times)
            within = [first + timedelta(days=place) for place in range(1, (last - first).days - 1)]
            assert [dates[day] for day in within] == [1] * len(within), (minute, first)


@pytest.mark.parametrize("zone", ZONES)
def test_every_half_hour_is_half_an_hour_whatever_the_clock_shows(zone: str) -> None:
    for window in windows(zone):
        times = fired("*/30 * * * *", zone, *window)
        assert {after - before for before, after in pairwise(times)} == {1800}


def test_the_trigger_starts_right_wherever_it_is_asked_from() -> None:
    """A scheduler that starts, or whose clock is set, asks from the middle of a gap or of a repeated hour as well."""
    for zone in ZONES[1:]:
        for text in ("30 * * * *", "*/20 1-3 * * *", "30 2 * * *", "15 1 * * *", "0 0,2 * * *", "10,40 45 1,2 * * *"):
            for first, last in windows(zone):
                times = fired(text, zone, first, last)
                for begin in range(times[0] - 1, times[-1], 7_333):
                    asked = trigger_of(text, zone).after(EPOCH + timedelta(seconds=begin))
                    assert asked == EPOCH + timedelta(seconds=min(time for time in times if time > begin))
