"""
When cron expressions are due, worked out from the rule alone: no code of the scheduler's, nor of its libraries.

Every minute of a zone's years is laid out with its wall-clock fields, one stretch for as long as the wall clock runs
evenly, and each is asked whether the fields match. The rule for clock changes, as Debian's cron(8) has it:

- An expression is of fixed times when neither its minute nor its hour begins with ``*``. What of it the clock skips
  runs once, in the first minute after the gap, and what the clock shows twice runs the first time only.
- Any other runs whenever the wall clock shows a time that matches.
- Where day of month and day of week are both restricted, that is, neither begins with ``*``, either may match.
"""

from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

DAY_MIN = 24 * 60
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


class Stretch(NamedTuple):
    """
    Minutes of one date on which the wall clock runs evenly.

    ``start`` is in minutes since the epoch, ``first`` and ``last`` are minutes of the date, the last not included.
    ``skipped`` are those of the date that the clock left out right before; those below ``again`` it showed before.
    """

    start: int
    day: date
    first: int
    last: int
    skipped: range
    again: int


def epoch_min(at: datetime) -> int:
    """Minutes since the epoch."""
    return (at - _EPOCH) // timedelta(minutes=1)


@lru_cache(maxsize=64)
def stretches(zone: str, first: date, last: date) -> tuple[Stretch, ...]:
    """The minutes from the start of the one date to the start of the other, both in UTC."""
    return tuple(_stretches(ZoneInfo(zone), first, last))


def _stretches(zone: ZoneInfo, first: date, last: date) -> Iterator[Stretch]:
    at, end = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (first, last))
    skipped = range(0)
    shown: dict[date, int] = {}
    while at < end:
        wall = at.astimezone(zone).replace(tzinfo=None)
        minute = wall.hour * 60 + wall.minute
        length = _evenly(zone, at, min(DAY_MIN - minute, int((end - at) / timedelta(minutes=1))))
        again = shown.get(wall.date(), 0)
        shown[wall.date()] = max(again, minute + length)
        yield Stretch(epoch_min(at), wall.date(), minute, minute + length, skipped, again)
        expected = wall + timedelta(minutes=length)
        at += timedelta(minutes=length)
        found = at.astimezone(zone).replace(tzinfo=None)
        skipped = range(0)
        if found > expected:
            start = expected.hour * 60 + expected.minute
            skipped = range(start, start + int((found - expected) / timedelta(minutes=1)))
            assert expected.date() == found.date(), "no zone of ours skips a midnight from before it"


def _evenly(zone: ZoneInfo, at: datetime, most: int) -> int:
    """For how many minutes from ``at`` on, at most ``most``, the wall clock goes by one a minute."""
    start = at.astimezone(zone).replace(tzinfo=None) - at.replace(tzinfo=None)

    def is_even(minutes: int) -> bool:
        then = at + timedelta(minutes=minutes)
        return then.astimezone(zone).replace(tzinfo=None) - then.replace(tzinfo=None) == start

    if is_even(most - 1):
        return most
    return next(minutes for minutes in range(most) if not is_even(minutes))


class Expression:
    """A cron expression of five fields, or of six with seconds first."""

    def __init__(self, text: str) -> None:
        fields = text.lower().split()
        seconds, minutes, hours, days, months, weekdays = fields if len(fields) == 6 else ["0", *fields]
        self._seconds = sorted(_numbers(seconds, 0, 59))
        self.minutes = sorted(
            60 * hour + minute for hour in _numbers(hours, 0, 23) for minute in _numbers(minutes, 0, 59)
        )
        self._minute_set = set(self.minutes)
        self._days = days
        self._months = _numbers(months, 1, 12, _MONTHS)
        self._weekdays = weekdays
        self._is_either = not days.startswith("*") and not weekdays.startswith("*")
        self._is_fixed = not minutes.startswith("*") and not hours.startswith("*")
        self._matching: dict[date, bool] = {}

    def times(self, zone: str, first: date, last: date) -> Iterator[int]:
        """When it is due, in seconds since the epoch."""
        for stretch in stretches(zone, first, last):
            if self._is_day(stretch.day):
                yield from self._in(stretch)

    def _in(self, stretch: Stretch) -> Iterator[int]:
        was_skipped = self._is_fixed and any(minute in self._minute_set for minute in stretch.skipped)
        if was_skipped and stretch.first not in self._minute_set:
            yield stretch.start * 60 + self._seconds[0]
        first = max(stretch.first, stretch.again) if self._is_fixed else stretch.first
        for minute in self.minutes:
            if first <= minute < stretch.last:
                at = (stretch.start + minute - stretch.first) * 60
                yield from (at + second for second in self._seconds)

    def _is_day(self, day: date) -> bool:
        if day not in self._matching:
            of_month, of_week = _is_day_of_month(self._days, day), _is_weekday(self._weekdays, day)
            is_day = of_month or of_week if self._is_either else of_month and of_week
            self._matching[day] = is_day and day.month in self._months
        return self._matching[day]


def _is_day_of_month(field: str, day: date) -> bool:
    length = monthrange(day.year, day.month)[1]
    for part in field.split(","):
        if part == "l":
            found = day.day == length
        elif part == "lw":
            last = date(day.year, day.month, length)
            found = day == last - timedelta(days=max(0, last.isoweekday() - 5))
        else:
            found = day.day in _numbers(part, 1, 31)
        if found:
            return True
    return False


def _is_weekday(field: str, day: date) -> bool:
    weekday = day.isoweekday() % 7
    for part in field.split(","):
        name, _, place = part.partition("#")
        if place:
            found = weekday in _weekdays(name) and (day.day - 1) // 7 + 1 == int(place)
        else:
            found = weekday in _weekdays(part)
        if found:
            return True
    return False


def _weekdays(field: str) -> set[int]:
    return {number % 7 for number in _numbers(field, 0, 7, _DAYS)} if field != "*" else set(range(7))


def _numbers(field: str, least: int, most: int, names: list[str] | None = None) -> set[int]:
    """The numbers of a list, of ranges and steps."""
    found: set[int] = set()
    for part in field.split(","):
        bounds, _, step = part.partition("/")
        if bounds == "*":
            start, end = least, min(most, 6) if names is _DAYS else most
        else:
            ends = [_number(word, least, names) for word in bounds.split("-")]
            start, end = ends[0], ends[-1]
        found |= set(range(start, end + 1, int(step or 1)))
    return found


def _number(word: str, least: int, names: list[str] | None) -> int:
    return least + names.index(word) if names is not None and word in names else int(word)
