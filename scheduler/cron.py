"""
When a schedule is due: cron expressions by ``cronsim`` and ``@every`` intervals, each as an APScheduler trigger.

Five fields, or six with seconds first, as Debian's cron reads them. All times are UTC; nothing here asks a clock.
A new kind of schedule is a subclass of ``Trigger`` and a branch in ``trigger_of``.
"""

from abc import abstractmethod
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from zoneinfo import ZoneInfo

from apscheduler.triggers.base import BaseTrigger
from cronsim import CronSim, CronSimError
from cronsim.cronsim import Field

from protocol.errors import Error
from scheduler.durations import NotADuration, duration_ms

MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
EVERY = "@every"
FIELDS = (
    ("second", "0-59"),
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day-of-month", "1-31, L or LW"),
    ("month", "1-12 or jan-dec"),
    ("day-of-week", "0-7 or sun-sat, with 0 and 7 Sunday"),
)
# A clock that steps further than this was wrong before: no time passed that ticks could have been due in.
LONGEST_GAP = timedelta(days=1)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)
_WEEK = timedelta(weeks=1)
_WEEKS_AHEAD = 30
_NO_TIME = timedelta(0)


class ScheduleError(Error):
    """The text is no schedule, or one that is never due."""


def epoch_ms(at: datetime) -> int:
    """``at`` in ms since the epoch, exactly."""
    return (at - _EPOCH) // _MS


class Trigger(BaseTrigger):  # type: ignore[misc]
    """The times of one schedule, strictly increasing; asking for the successor of the last answer is cheap."""

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """
        The first time after ``previous_fire_time``, or with ``None`` after ``now``; ``None``: never again.

        When ``now`` is more than ``LONGEST_GAP`` ahead, what lies between is passed over.
        """
        if previous_fire_time is None or now - previous_fire_time > LONGEST_GAP:
            return self.after(now)
        return self.after(previous_fire_time)

    @abstractmethod
    def after(self, at: datetime) -> datetime | None:
        """The first time after ``at``."""


class CronTrigger(Trigger):
    """
    A cron expression, read in ``zone``.

    ``cronsim`` walks the wall clock; what becomes of a change of that clock is decided here, by the rule of Debian's
    cron(8). With a minute or an hour that begins with ``*`` it is due whenever the wall clock shows a matching time.
    Any other is due once for each time: where the clock skips it, in the first minute after the gap, and the first time
    where the clock shows it twice.
    """

    def __init__(self, expression: str, zone: ZoneInfo) -> None:
        self._expression = expression
        self._zone = zone
        minute, hour = expression.split()[-5:-3]
        self._is_of_fixed_times = not minute.startswith("*") and not hour.startswith("*")
        self._asked: datetime | None = None
        self._answer: datetime | None = None
        self._walls: Iterator[datetime] = iter(())
        self._offset = _NO_TIME
        self._change = _EPOCH

    def after(self, at: datetime) -> datetime | None:
        """The first time after ``at``: the walk goes on where it stands, and starts anew when the clock jumped."""
        if at == self._asked:
            return self._answer
        if at != self._answer:
            self._begin(at)
        self._asked = at
        self._answer = self._first_by_wall_clock(at) if self._is_of_fixed_times else self._first_by_real_time()
        return self._answer

    def _begin(self, at: datetime) -> None:
        """Walk the wall clock from ``at`` on, by the offset that it has right after, until that changes."""
        following = (at + _SECOND).astimezone(self._zone)
        self._offset = following.utcoffset() or _NO_TIME
        self._change = _next_change(following, self._offset)
        self._walls = CronSim(self._expression, following.replace(tzinfo=None) - _SECOND)

    def _first_by_real_time(self) -> datetime | None:
        while (wall := next(self._walls, None)) is not None:
            found = wall.replace(tzinfo=UTC) - self._offset
            if found < self._change:
                return found
            self._begin(self._change - _SECOND)
        return None

    def _first_by_wall_clock(self, at: datetime) -> datetime | None:
        while (wall := next(self._walls, None)) is not None:
            found = wall.replace(tzinfo=self._zone).astimezone(UTC)
            if _is_skipped(wall, self._zone):
                while _is_skipped(wall, self._zone):
                    wall += _MINUTE
                self._walls = CronSim(self._expression, wall)  # what else the gap skips is part of this time
                found = wall.replace(tzinfo=self._zone).astimezone(UTC)
            if found > at:
                return found
        return None


def _is_skipped(wall: datetime, zone: ZoneInfo) -> bool:
    """Whether the clock of ``zone`` never shows this time."""
    there_and_back = wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone)
    return there_and_back.replace(tzinfo=None) != wall


def _next_change(at: datetime, offset: timedelta) -> datetime:
    """
    When the zone of ``at`` next leaves ``offset``, or a time before which it does not.

    Two changes within a week that undo each other are not seen.
    """
    start, end = at.astimezone(UTC), at.astimezone(UTC)
    for _ in range(_WEEKS_AHEAD):
        start, end = end, end + _WEEK
        if end.astimezone(at.tzinfo).utcoffset() != offset:
            break
    else:
        return end
    while end - start > _SECOND:
        middle = start + (end - start) // 2
        if middle.astimezone(at.tzinfo).utcoffset() == offset:
            start = middle
        else:
            end = middle
    return end.replace(microsecond=0)


class EveryTrigger(Trigger):
    """An interval, aligned to the Unix epoch so that a restart does not shift it."""

    def __init__(self, period_ms: int) -> None:
        self._period_ms = period_ms

    def after(self, at: datetime) -> datetime:
        """The first multiple of the period after ``at``."""
        return _EPOCH + (epoch_ms(at) // self._period_ms + 1) * self._period_ms * _MS


def trigger_of(schedule: str, timezone: str) -> Trigger:
    """
    The trigger of a schedule, in the zone with this IANA name.

    Raises:
        ScheduleError: the text is no schedule, or is never due.
    """
    meaning = read_schedule(schedule)
    return EveryTrigger(meaning) if isinstance(meaning, int) else CronTrigger(meaning, ZoneInfo(timezone))


@lru_cache(maxsize=4_096)
def read_schedule(schedule: str) -> str | int:
    """
    The cron expression that a schedule stands for, or the milliseconds of an interval.

    Raises:
        ScheduleError: the text is no schedule, or is never due.
    """
    words = schedule.split()
    if words[:1] == [EVERY]:
        return _interval_ms(words)
    if schedule.startswith("@"):
        return _macro(schedule)
    if len(words) not in (5, 6):
        raise ScheduleError(f"'{schedule}' has {len(words)} fields; want 5, or 6 with seconds first")
    for field, word in zip(list(Field)[-len(words) :], words, strict=True):
        _check_field(field, word)
    if not _is_ever_due(schedule):
        raise ScheduleError(f"'{schedule}' is never due; correct the day or the month")
    return schedule


def _interval_ms(words: list[str]) -> int:
    if len(words) != 2:
        raise ScheduleError(f"'{' '.join(words)}' is no interval; want '@every 30s'")
    try:
        return duration_ms(words[1], "1s", "8760h")
    except NotADuration as e:
        raise ScheduleError(f"{EVERY}: {e}") from e


def _macro(schedule: str) -> str:
    if schedule in MACROS:
        return MACROS[schedule]
    known = [*MACROS, EVERY]
    near = get_close_matches(schedule, known, 1)
    advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
    raise ScheduleError(f"unknown macro '{schedule}'; {advice}")


def _check_field(field: Field, word: str) -> None:
    try:
        field.parse(word.upper())
    except (CronSimError, ValueError) as e:  # ValueError: more digits than Python reads
        name, accepted = FIELDS[field]
        raise ScheduleError(f"field '{name}' is '{word}'; want {accepted}") from e


def _is_ever_due(expression: str) -> bool:
    try:
        return next(CronSim(expression, _EPOCH), None) is not None
    except CronSimError:
        return False
