"""
Windows of time: every week from a time of day to another, or once from one moment to another.

Weekly ones follow the wall clock of a zone. A window begins at its start and ends right before its end.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

DAY_MIN = 24 * 60
_LOOK_AHEAD_DAYS = 8


class Weekly(Struct, frozen=True):
    """On ``days`` (0 is Monday) from ``start_min`` to ``end_min`` of the day; an end before the start is next day's."""

    days: tuple[int, ...]
    start_min: int
    end_min: int

    def has(self, at: datetime, zone: ZoneInfo) -> bool:
        """Whether ``at`` is inside."""
        local = at.astimezone(zone)
        minute, day = local.hour * 60 + local.minute, local.weekday()
        if self.start_min < self.end_min:
            return day in self.days and self.start_min <= minute < self.end_min
        is_before_midnight = day in self.days and minute >= self.start_min
        return is_before_midnight or ((day - 1) % 7 in self.days and minute < self.end_min)

    def next_start(self, at: datetime, zone: ZoneInfo) -> datetime | None:
        """The first start after ``at``."""
        first = at.astimezone(zone).date()
        for day in (first + timedelta(days=n) for n in range(_LOOK_AHEAD_DAYS)):
            if day.weekday() in self.days:
                local = datetime(day.year, day.month, day.day, *divmod(self.start_min, 60), tzinfo=zone)
                if local.astimezone(UTC) > at:
                    return local.astimezone(UTC)
        return None


class Span(Struct, frozen=True):
    """Once, from ``start`` to ``end``."""

    start: datetime
    end: datetime

    def has(self, at: datetime, _zone: ZoneInfo) -> bool:
        """Whether ``at`` is inside."""
        return self.start <= at < self.end


Window = Weekly | Span


def is_within(windows: Iterable[Window], at: datetime, zone: ZoneInfo) -> bool:
    """Whether ``at`` is inside any of them."""
    return any(window.has(at, zone) for window in windows)


def next_start(windows: Iterable[Weekly], at: datetime, zone: ZoneInfo) -> datetime | None:
    """When the next of them begins, after ``at``; ``None``: never."""
    return min((start for window in windows if (start := window.next_start(at, zone)) is not None), default=None)
