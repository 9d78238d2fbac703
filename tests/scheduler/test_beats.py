"""From beats to the task server's answers, with a task server in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import Raw
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from protocol.methods.task import NewTask
from scheduler.beats import Due
from scheduler.due import Schedule
from scheduler.metrics import Metrics
from scheduler.runner import Runner, open_runner
from scheduler.taskserver import TaskServerRefused
from scheduler.waiting import Beat, MissedTicks, WaitingBeats
from tests.scheduler.fakes import MemoryTaskServer

EVERY_SECOND = Schedule("* * * * * *", "UTC")
WIDE = Schedule("@every 1s", "UTC")


def tasks(count: int, job: str = "ping") -> list[NewTask]:
    return [
        NewTask(target_uuid=str(n), task_type=Raw(b'"ip"'), cron_source=job, scheduled_at=0, timeout_ms=1_000)
        for n in range(count)
    ]


class Counts:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)

    def ticks(self, outcome: str) -> float | None:
        return self.registry.get_sample_value("cronprobe_scheduler_ticks_total", {"outcome": outcome})

    def beats(self) -> float | None:
        return self.registry.get_sample_value("cronprobe_scheduler_lag_seconds_count")


@asynccontextmanager
async def running(server: MemoryTaskServer, counts: Counts, wide: int = 5_000) -> AsyncIterator[Runner]:
    due = Due({EVERY_SECOND: tasks(2), WIDE: tasks(wide, "wide")})
    async with open_runner(due, server, metrics=counts.metrics, now_ms=lambda: 10_000) as runner:
        yield runner


def scheduled(server: MemoryTaskServer) -> list[int]:
    return [task.scheduled_at for task in server.tasks]


async def test_a_beat_is_one_batch_with_its_nominal_time() -> None:
    server, counts = MemoryTaskServer(), Counts()
    async with running(server, counts) as runner:
        runner.beat(EVERY_SECOND, 9_000)
        await server.until(lambda: bool(server.calls))
    assert [[(task.target_uuid, task.scheduled_at) for task in call] for call in server.calls] == [
        [("0", 9_000), ("1", 9_000)]
    ]
    assert (counts.ticks("fired"), counts.ticks("missed"), counts.beats()) == (2, 0, 1)
    assert counts.registry.get_sample_value("cronprobe_scheduler_lag_seconds_sum") == 1.0


async def test_beats_of_an_away_server_are_delivered_in_order_once_it_is_back() -> None:
    server, counts = MemoryTaskServer(), Counts()
    server.go_away()
    with capture_logs() as logs:
        async with running(server, counts) as runner:
            for second in range(1, 6):
                runner.beat(EVERY_SECOND, second * 1_000)
                await server.until(lambda: server.attempts >= 1)
            assert counts.ticks("fired") == 0
            server.come_back()
            await server.until(lambda: len(server.tasks) == 10)
    assert scheduled(server) == [second * 1_000 for second in range(1, 6) for _ in range(2)]
    assert (counts.ticks("fired"), counts.ticks("missed"), counts.beats()) == (10, 0, 5)
    assert [log["event"] for log in logs] == ["task server away", "task server is back"]


async def test_waiting_beats_share_a_call_of_at_most_5000_tasks() -> None:
    server, counts = MemoryTaskServer(), Counts()
    server.answering.clear()
    async with running(server, counts, wide=4_997) as runner:
        runner.beat(EVERY_SECOND, 1_000)
        await server.until(lambda: server.attempts == 1)
        for second in (2, 3):
            runner.beat(EVERY_SECOND, second * 1_000)
        runner.beat(WIDE, 3_000)
        runner.beat(EVERY_SECOND, 4_000)
        server.answering.set()
        await server.until(lambda: len(server.tasks) == 8 + 4_997)
    assert [len(call) for call in server.calls] == [2, 4, 4_999]


async def test_a_beat_is_never_split_however_wide() -> None:
    server, counts = MemoryTaskServer(), Counts()
    async with running(server, counts, wide=12_000) as runner:
        runner.beat(WIDE, 1_000)
        await server.until(lambda: bool(server.calls))
    assert [len(call) for call in server.calls] == [12_000]


async def test_an_overflow_drops_the_oldest_beats_counts_and_logs_them_as_a_range() -> None:
    server, counts = MemoryTaskServer(), Counts()
    server.answering.clear()
    with capture_logs() as logs:
        async with running(server, counts) as runner:
            runner.beat(EVERY_SECOND, 0)
            await server.until(lambda: server.attempts == 1)
            for second in range(1, 44):
                runner.beat(WIDE, second * 1_000)
            assert counts.ticks("missed") == 3 * 5_000
            server.answering.set()
            await server.until(lambda: len(server.calls) == 41)
            await server.until(lambda: bool(server.gaps))
    assert [(gap.from_ms, gap.to_ms, gap.ticks) for gap in server.gaps] == [(1_000, 3_000, 15_000)]
    assert scheduled(server)[:3] == [0, 0, 4_000]
    assert scheduled(server)[-1] == 43_000
    assert (counts.ticks("fired"), counts.ticks("missed")) == (200_002, 15_000)
    assert logs == [
        {
            "event": "ticks missed",
            "ticks": 15_000,
            "first_ms": 1_000,
            "last_ms": 3_000,
            "why": "the task server was away for too long",
            "log_level": "error",
        }
    ]


def test_a_beat_that_waited_for_15_minutes_is_dropped() -> None:
    now_s = 0.0
    lost: list[int] = []
    missed = MissedTicks(count=lost.append, clock=lambda: now_s)
    waiting = WaitingBeats(missed=missed, clock=lambda: now_s)
    for second in (1, 2):
        waiting.add(Beat(tasks(second), second * 1_000, now_s))
        now_s += 1
    now_s = 15 * 60 + 0.5
    waiting.add(Beat(tasks(3), 3_000, now_s))
    assert lost == [1]
    assert [beat.nominal_ms for beat in waiting.take(5_000)] == [2_000, 3_000]


async def test_a_refused_task_is_counted_as_missed_and_logged_once() -> None:
    server, counts = MemoryTaskServer(), Counts()
    server.refused["ping"] = "Invalid input: agent unknown"
    with capture_logs() as logs:
        async with running(server, counts, wide=3) as runner:
            for second in (1, 2):
                runner.beat(EVERY_SECOND, second * 1_000)
                runner.beat(WIDE, second * 1_000)
            await server.until(lambda: len(server.tasks) == 10)
    assert (counts.ticks("fired"), counts.ticks("missed")) == (6, 4)
    assert logs == [
        {
            "event": "task refused",
            "job": "ping",
            "agent": "0",
            "why": "Invalid input: agent unknown",
            "log_level": "error",
        }
    ]


async def test_a_refused_call_is_tried_again() -> None:
    server, counts = MemoryTaskServer(), Counts()
    server.failure = TaskServerRefused("http://127.0.0.1:1/", "Permission denied: Invalid token")
    with capture_logs() as logs:
        async with running(server, counts) as runner:
            runner.beat(EVERY_SECOND, 1_000)
            await server.until(lambda: server.attempts == 2)
            server.come_back()
            await server.until(lambda: bool(server.calls))
    assert (counts.ticks("fired"), counts.ticks("missed")) == (2, 0)
    assert [(log["event"], log["log_level"]) for log in logs] == [
        ("task server refuses", "error"),
        ("task server is back", "info"),
    ]


async def test_a_bug_in_the_task_server_ends_nothing() -> None:
    server, counts = MemoryTaskServer(), Counts()
    server.failure = ZeroDivisionError("a bug")
    with capture_logs() as logs:
        async with running(server, counts) as runner:
            runner.beat(EVERY_SECOND, 1_000)
            await server.until(lambda: server.attempts == 1)
            server.come_back()
            await server.until(lambda: bool(server.calls))
    assert counts.ticks("fired") == 2
    assert logs[0]["exc_info"].args == ("a bug",)


async def test_a_stop_lets_what_is_under_way_finish() -> None:
    server, counts = MemoryTaskServer(), Counts()
    server.answering.clear()
    async with running(server, counts) as runner:
        runner.beat(EVERY_SECOND, 1_000)
        await server.until(lambda: server.attempts == 1)
        runner.beat(EVERY_SECOND, 2_000)
        asyncio.get_running_loop().call_later(0.05, server.answering.set)
    assert (counts.ticks("fired"), counts.ticks("missed")) == (4, 0)


async def test_a_stop_counts_what_was_not_answered_as_missed_within_a_second() -> None:
    server, counts = MemoryTaskServer(), Counts()
    server.answering.clear()
    with capture_logs() as logs:
        async with asyncio.timeout(2), running(server, counts) as runner:
            runner.beat(EVERY_SECOND, 1_000)
            await server.until(lambda: server.attempts == 1)
            runner.beat(EVERY_SECOND, 2_000)
            start = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - start < 1.0
    assert (counts.ticks("fired"), counts.ticks("missed")) == (0, 4)
    assert [(log["ticks"], log["first_ms"], log["last_ms"]) for log in logs] == [(4, 1_000, 2_000)]


async def test_a_stop_while_the_server_is_away_does_not_wait() -> None:
    server, counts = MemoryTaskServer(), Counts()
    server.go_away()
    async with running(server, counts) as runner:
        runner.beat(EVERY_SECOND, 1_000)
        await server.until(lambda: server.attempts == 1)
        start = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - start < 0.4
    assert counts.ticks("missed") == 2
