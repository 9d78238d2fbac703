"""
The last 24 hours of a probe in quarter-hours: how runs ended and how long they took.

In arrays, for there are ten thousand probes: a probe costs about 3 kB. All of them are rings over the same clock, the
quarter-hour ``n`` since the epoch at place ``n % 96``, so that probes are added up column by column.
"""

from array import array
from collections.abc import Sequence
from enum import IntEnum

from msgspec import Struct

QUARTER_MS = 900_000
PLACES = 96


class Ended(IntEnum):
    """How a run ended, as a strip shows it; the larger, the worse to have in a quarter-hour."""

    OK = 0
    DEGRADED = 1
    UNKNOWN = 2
    FAILED = 3


_KINDS = len(Ended)


class Quarters:
    """Counts and latencies of one probe. A quarter-hour is a number, ``ms // QUARTER_MS``."""

    __slots__ = ("_counts", "_newest", "_sums", "_timed")

    def __init__(self) -> None:
        self._newest = -1
        self._counts = array("I", bytes(4 * _KINDS * PLACES))
        self._timed = array("I", bytes(4 * PLACES))
        self._sums = array("d", bytes(8 * PLACES))

    def add(self, quarter: int, ended: int, latency_ms: float | None, count: int = 1) -> None:
        """Count runs; ``latency_ms`` is their mean. A quarter-hour that is out of sight is left out."""
        newest = self._newest
        if quarter != newest:
            if quarter > newest:
                self.advance(quarter)
            elif quarter <= newest - PLACES:
                return
        place = quarter % PLACES
        self._counts[place * _KINDS + ended] += count
        if latency_ms is not None:
            self._timed[place] += count
            self._sums[place] += latency_ms * count

    def advance(self, quarter: int) -> None:
        """Let the day end with this quarter-hour: what is older than a day is forgotten."""
        first = max(self._newest + 1, quarter - PLACES + 1)
        for passed in range(first, quarter + 1):
            place = passed % PLACES
            self._counts[place * _KINDS : (place + 1) * _KINDS] = _NO_RUNS
            self._timed[place] = 0
            self._sums[place] = 0.0
        self._newest = max(self._newest, quarter)

    def columns(self) -> tuple["array[int]", "array[int]", "array[float]"]:
        """(counts by kind, runs with a latency, sums of latencies) by place."""
        return self._counts, self._timed, self._sums


_NO_RUNS = array("I", bytes(4 * _KINDS))


class Day(Struct, frozen=True):
    """
    24 hours that end with the quarter-hour ``last``, the oldest first.

    ``counts`` has four numbers for each, by ``Ended``; a latency is a mean in ms, ``None`` without one.
    """

    last: int
    counts: Sequence[int]
    latencies: Sequence[float | None]

    def worst(self) -> list[Ended | None]:
        """The worst end in each quarter-hour; ``None`` where nothing ran."""
        found: list[Ended | None] = []
        for start in range(0, len(self.counts), _KINDS):
            ok, degraded, unknown, failed = self.counts[start : start + _KINDS]
            if failed:
                found.append(Ended.FAILED)
            elif unknown:
                found.append(Ended.UNKNOWN)
            elif degraded:
                found.append(Ended.DEGRADED)
            else:
                found.append(Ended.OK if ok else None)
        return found

    def total(self, ended: Ended) -> int:
        """How many runs ended so."""
        return sum(self.counts[ended::_KINDS])

    def success_ratio(self) -> float | None:
        """Good runs of those that say something about their targets, 0 to 1; ``None`` when none does."""
        good, bad = self.total(Ended.OK) + self.total(Ended.DEGRADED), self.total(Ended.FAILED)
        return good / (good + bad) if good + bad else None


def add_up(probes: Sequence[Quarters], last: int) -> Day:
    """The day of several probes together."""
    for probe in probes:
        probe.advance(last)
    columns = [probe.columns() for probe in probes]
    if not columns:
        return Day(last, [0] * (_KINDS * PLACES), [None] * PLACES)
    counts, timed, sums = (
        [*map(sum, zip(*(column[kind] for column in columns), strict=True))] for kind in range(len(columns[0]))
    )
    start = (last + 1) % PLACES
    means = [total / runs if runs else None for total, runs in zip(sums, timed, strict=True)]
    return Day(
        last,
        [int(count) for count in counts[start * _KINDS :] + counts[: start * _KINDS]],
        means[start:] + means[:start],
    )
