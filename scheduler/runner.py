"""
A beat to a batch: what is due becomes tasks, handed to the task server in order, until it has answered.

While the server is away beats wait, and are sent again when it is back; its unique key makes a repeat harmless. Every
tick that is not stored in the end is counted as missed and logged.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress

import structlog
from msgspec.structs import replace

from protocol.errors import Error
from protocol.methods.task import Created, NewTask
from scheduler.beats import Due
from scheduler.due import Schedule
from scheduler.metrics import Metrics
from scheduler.taskserver import LARGEST_CALL, TIMEOUT_S, TaskServer, TaskServerRefused
from scheduler.waiting import Beat, MissedTicks, WaitingBeats

RETRY_S = (0.2, 0.4, 0.8, 1.6, 2.0)
LAST_DELIVERY_S = 0.5
CANCEL_S = 0.2
LOG_EVERY_S = 60.0

_log = structlog.get_logger()


class RefusalLog:
    """Logs why single tasks were refused, once per job and message in ``LOG_EVERY_S``."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since = clock()
        self._logged: set[tuple[str, str]] = set()

    def add(self, task: NewTask, error: str) -> None:
        """One task was refused."""
        if self._clock() - self._since >= LOG_EVERY_S:
            self._since = self._clock()
            self._logged.clear()
        if (task.cron_source, error) not in self._logged:
            self._logged.add((task.cron_source, error))
            _log.error("task refused", job=task.cron_source, agent=task.agent_name or task.target_uuid, why=error)


class Runner:
    """Takes beats without waiting, and delivers them one call at a time."""

    def __init__(
        self,
        due: Due,
        server: TaskServer,
        *,
        metrics: Metrics,
        now_ms: Callable[[], int],
        clock: Callable[[], float],
    ) -> None:
        self._due = due
        self._server = server
        self._metrics = metrics
        self._now_ms = now_ms
        self._clock = clock
        self._missed = MissedTicks(count=metrics.missed.inc, clock=clock)
        self._waiting = WaitingBeats(missed=self._missed, clock=clock)
        self._refusals = RefusalLog(clock=clock)
        self._arrived = asyncio.Event()
        self._stopping = asyncio.Event()
        self._failures = 0
        self._failure_logged = 0.0

    def load(self, due: Due) -> None:
        """Let beats carry this from now on; those that wait keep what they have."""
        self._due = due

    def beat(self, schedule: Schedule, nominal_ms: int) -> None:
        """``schedule`` is due."""
        self.fire(self._due.tasks[schedule], nominal_ms)

    def fire(self, tasks: Sequence[NewTask], nominal_ms: int) -> None:
        """Let these tasks be created as if they were due at ``nominal_ms``, ms since the epoch."""
        self._waiting.add(Beat(tasks, nominal_ms, self._clock()))
        self._arrived.set()

    async def deliver(self) -> None:
        """Deliver what waits, until ``stop`` was called and nothing waits, or the server is away."""
        while not self._stopping.is_set() or self._waiting:
            await self._arrived.wait()
            beats = self._waiting.take(LARGEST_CALL)
            if not beats:
                self._arrived.clear()
            elif not await self._delivered(beats):
                self._waiting.put_back(beats)
                if await self._stops_within(RETRY_S[min(self._failures, len(RETRY_S)) - 1]):
                    return

    async def stop(self, delivery: asyncio.Task[None]) -> None:
        """Give what is under way its last moment, then give up the rest."""
        self._stopping.set()
        self._arrived.set()
        await asyncio.wait([delivery], timeout=LAST_DELIVERY_S)
        delivery.cancel()
        await asyncio.wait([delivery], timeout=CANCEL_S)
        self._waiting.give_up("the scheduler was stopped")

    async def _delivered(self, beats: Sequence[Beat]) -> bool:
        """Whether the server has answered for ``beats``."""
        batch = [task for beat in beats for task in self._at(beat)]
        try:
            async with asyncio.timeout(TIMEOUT_S * -(-len(batch) // LARGEST_CALL)):
                answers = await self._server.create_tasks(batch)
            answered = list(zip(batch, answers, strict=True))
        except asyncio.CancelledError:
            self._waiting.put_back(beats)
            raise
        except Exception as e:  # noqa: BLE001 (a door: logged there, and tried again)
            self._failed(e, waiting=len(self._waiting) + len(beats))
            return False
        self._answered(beats, answered)
        await self._record_gaps()
        return True

    async def _record_gaps(self) -> None:
        """Tell the server, which is back, of the ticks that were given up meanwhile."""
        gaps = self._missed.take_gaps()
        if gaps:
            try:
                await self._server.record_gaps(gaps)
            except Error as e:
                self._missed.put_back(gaps)
                _log.warning("gaps not recorded; tried again with the next ticks", jobs=len(gaps), why=str(e))

    def _at(self, beat: Beat) -> Iterator[NewTask]:
        """The beat's tasks, complete."""
        in_maintenance = self._due.in_maintenance(beat.nominal_ms)
        for task in beat.tasks:
            if task.cron_source in in_maintenance:
                yield replace(task, scheduled_at=beat.nominal_ms, in_maintenance=True)
            else:
                yield replace(task, scheduled_at=beat.nominal_ms)

    async def _stops_within(self, delay_s: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._stopping.wait()
        return self._stopping.is_set()

    def _failed(self, error: Exception, *, waiting: int) -> None:
        """Nothing is lost yet: log the first failure and then one a minute."""
        self._failures += 1
        if self._failures > 1 and self._clock() - self._failure_logged < LOG_EVERY_S:
            return
        self._failure_logged = self._clock()
        match error:
            case TaskServerRefused():
                _log.error("task server refuses", why=str(error), beats_waiting=waiting)
            case Error() | OSError():
                why = str(error) or type(error).__name__
                _log.warning("task server away", why=why, beats_waiting=waiting)
            case _:
                _log.error("task server failed", exc_info=error)

    def _answered(self, beats: Sequence[Beat], answered: Sequence[tuple[NewTask, Created]]) -> None:
        stored_ms = self._now_ms()
        for beat in beats:
            self._metrics.lag.observe((stored_ms - beat.nominal_ms) / 1_000)
        refused = overlapping = 0
        for task, answer in answered:
            if answer.error is not None:
                refused += 1
                self._refusals.add(task, answer.error)
            overlapping += answer.overlap
        self._metrics.fired.inc(len(answered) - refused - overlapping)
        self._metrics.overlapping.inc(overlapping)
        self._metrics.missed.inc(refused)
        if self._failures:
            _log.info("task server is back", failed_calls=self._failures, beats_waiting=len(self._waiting))
            self._failures = 0
        self._missed.log("the task server was away for too long")


@asynccontextmanager
async def open_runner(
    due: Due,
    server: TaskServer,
    *,
    metrics: Metrics,
    now_ms: Callable[[], int],
) -> AsyncIterator[Runner]:
    """A runner that delivers until this is left."""
    clock = asyncio.get_running_loop().time
    runner = Runner(due, server, metrics=metrics, now_ms=now_ms, clock=clock)
    async with asyncio.TaskGroup() as group:
        delivery = group.create_task(runner.deliver(), name="scheduler delivery")
        try:
            yield runner
        finally:
            await runner.stop(delivery)
