"""
The beats that wait for delivery, in order, and bounded: what is too much is dropped oldest first, and accounted for.

A beat is a pair of references until it is delivered, so that waiting costs next to nothing.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence

import structlog
from msgspec import Struct

from protocol.crontab import Gap
from protocol.methods.task import NewTask

MAX_TASKS = 200_000
MAX_AGE_S = 15 * 60.0
LOG_EVERY_S = 60.0

_log = structlog.get_logger()


class Beat(Struct, frozen=True):
    """
    All that is due on one schedule at ``nominal_ms``.

    ``tasks`` lack nothing but that time; ``since`` is the loop's time at which it began to wait.
    """

    tasks: Sequence[NewTask]
    nominal_ms: int
    since: float


class MissedTicks:
    """Counts the ticks that are given up, logs them as ranges of time, and keeps these by job until they are taken."""

    def __init__(self, *, count: Callable[[int], None], clock: Callable[[], float]) -> None:
        self._count = count
        self._clock = clock
        self._since = 0.0
        self._ticks = 0
        self._first_ms = 0
        self._last_ms = 0
        self._gaps: dict[str, Gap] = {}

    def add(self, beat: Beat, why: str) -> None:
        """A beat is given up; the range it belongs to is logged when it has been open for ``LOG_EVERY_S``."""
        if not self._ticks:
            self._since = self._clock()
            self._first_ms = self._last_ms = beat.nominal_ms
        self._count(len(beat.tasks))
        self._ticks += len(beat.tasks)
        self._first_ms = min(self._first_ms, beat.nominal_ms)
        self._last_ms = max(self._last_ms, beat.nominal_ms)
        for name, ticks in Counter(task.cron_source for task in beat.tasks).items():
            self._widen(Gap(name, beat.nominal_ms, beat.nominal_ms, ticks))
        if self._clock() - self._since >= LOG_EVERY_S:
            self.log(why)

    def take_gaps(self) -> list[Gap]:
        """The ranges of each job since they were last taken."""
        gaps, self._gaps = list(self._gaps.values()), {}
        return gaps

    def put_back(self, gaps: Iterable[Gap]) -> None:
        """Keep ranges that were taken."""
        for gap in gaps:
            self._widen(gap)

    def _widen(self, gap: Gap) -> None:
        known = self._gaps.get(gap.cron_source, gap)
        ticks = gap.ticks if known is gap else known.ticks + gap.ticks
        first_ms, last_ms = min(known.from_ms, gap.from_ms), max(known.to_ms, gap.to_ms)
        self._gaps[gap.cron_source] = Gap(gap.cron_source, first_ms, last_ms, ticks)

    def log(self, why: str) -> None:
        """End the range, if there is one."""
        if self._ticks:
            _log.error("ticks missed", ticks=self._ticks, first_ms=self._first_ms, last_ms=self._last_ms, why=why)
            self._ticks = 0


class WaitingBeats:
    """A queue of beats, of at most ``MAX_TASKS`` tasks and ``MAX_AGE_S`` of waiting by the ``clock`` of the loop."""

    def __init__(self, *, missed: MissedTicks, clock: Callable[[], float]) -> None:
        self._beats: deque[Beat] = deque()
        self._tasks = 0
        self._missed = missed
        self._clock = clock

    def __len__(self) -> int:
        return len(self._beats)

    def add(self, beat: Beat) -> None:
        """Let a beat wait behind all others."""
        self._beats.append(beat)
        self._tasks += len(beat.tasks)
        self._trim()

    def take(self, most_tasks: int) -> list[Beat]:
        """The oldest beats, of ``most_tasks`` together, but always one if there is any."""
        taken: list[Beat] = []
        room = most_tasks
        while self._beats and (not taken or len(self._beats[0].tasks) <= room):
            taken.append(self._pop())
            room -= len(taken[-1].tasks)
        return taken

    def put_back(self, beats: Sequence[Beat]) -> None:
        """Let beats that were taken wait again, in front of all others."""
        self._beats.extendleft(reversed(beats))
        self._tasks += sum(len(beat.tasks) for beat in beats)
        self._trim()

    def give_up(self, why: str) -> None:
        """Drop all."""
        while self._beats:
            self._missed.add(self._pop(), why)
        self._missed.log(why)

    def _trim(self) -> None:
        while self._beats and (self._tasks > MAX_TASKS or self._clock() - self._beats[0].since > MAX_AGE_S):
            self._missed.add(self._pop(), "the task server was away for too long")

    def _pop(self) -> Beat:
        beat = self._beats.popleft()
        self._tasks -= len(beat.tasks)
        return beat
