"""
When a schedule is due: cron expressions by ``cronsim`` and ``@every`` intervals, each as an APScheduler trigger.

Five fields, or six with seconds first, as Debian's cron reads them. All times are UTC; nothing here asks a clock.
A new kind of schedule is a subclass of ``Trigger`` and a branch in ``trigger_of``.
"""

from abc import abstractmethod
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
    """A cron expression, read in ``zone``."""

    def __init__(self, expression: str, zone: ZoneInfo) -> None:
        self._expression = expression
        # cronsim goes three times faster through UTC when it is told by its own name.
        self._zone = UTC if zone.key == "UTC" else zone
        self._asked: datetime | None = None
        self._answer: datetime | None = None
        self._times: CronSim | None = None

    def after(self, at: datetime) -> datetime | None:
        """The first time after ``at``: the iterator goes on where it stands, and starts anew when the clock jumped."""
        if at == self._asked:
            return self._answer
        if self._times is None or at != self._answer:
            self._times = _times(self._expression, at.astimezone(self._zone))
        self._asked = at
        self._answer = _first(self._times, at)
        return self._answer


class EveryTrigger(Trigger):
    """An interval, aligned to the Unix epoch so that a restart does not shift it."""

    def __init__(self, period_ms: int) -> None:
        self._period_ms = period_ms

    def after(self, at: datetime) -> datetime:
        """The first multiple of the period after ``at``."""
        return _EPOCH + (epoch_ms(at) // self._period_ms + 1) * self._period_ms * _MS


def _times(expression: str, start: datetime) -> CronSim:
    times = CronSim(expression, start)
    minute, hour = times.parts[1:3]
    if times.fixup_tz is None and not minute.startswith("*") and not hour.startswith("*"):
        # cronsim keeps Debian's rules for clock changes to five fields; people who add seconds expect them as well.
        times.fixup_tz = start.tzinfo
        times.dt = times.dt.replace(tzinfo=None)
    return times


def _first(times: CronSim, at: datetime) -> datetime | None:
    """The first of ``times`` after ``at``: in an hour that is repeated, cronsim may begin with the first pass."""
    for time in times:
        found: datetime = time.astimezone(UTC)
        if found > at:
            return found
    return None


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
