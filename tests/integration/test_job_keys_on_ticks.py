"""
Each key of a job, from YAML to what it does to ticks: a scheduler under a frozen clock, a real server, agents by hand.

The clock is moved by leaps; what fell due in between is fired at once. To add a key: a test whose name begins with it.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time
from freezegun.api import FrozenDateTimeFactory
from prometheus_client import CollectorRegistry

from scheduler.app import open_scheduler
from scheduler.jobfile import load
from scheduler.jobfile.keys import KEYS
from scheduler.taskserver import open_rpc_task_server
from tests.server.rig import ROOT, Rig, open_rig_in

START = datetime(2026, 11, 23, 8, tzinfo=UTC)  # a Monday
PULSE = timedelta(minutes=10)
UUIDS = [f"e8583352-39e8-5a5b-b66c-{number:012d}" for number in range(4)]
HEAD = "version: 1\nagents:\n" + "".join(f"  a{number}: {{uuid: {uuid}}}\n" for number, uuid in enumerate(UUIDS[:3]))
HEAD += f"  resting: {{uuid: {UUIDS[3]}, enabled: false}}\ndefaults: {{agents: [a0]}}\n"
HOURLY = 'schedule: "@hourly"'


class World:
    """A server and a clock; schedulers come and go."""

    def __init__(self, rig: Rig, clock: FrozenDateTimeFactory, directory: Path) -> None:
        self.rig = rig
        self._clock = clock
        self._file = directory / "jobs.yaml"

    @asynccontextmanager
    async def scheduler(self, keys: str, before: str = "") -> AsyncIterator[None]:
        """A scheduler of the job ``j`` with these keys, and of a pulse that shows when all of a leap was fired."""
        task = "" if "task: " in keys else "task: {ping: h}, "
        jobs = f"jobs:\n  j: {{{task}{keys}}}\n  pulse: {{schedule: '@every 10m', agents: [a2], task: ip}}\n"
        self._file.write_text(HEAD + before + jobs)
        async with (
            open_rpc_task_server(self.rig.url, ROOT) as server,
            open_scheduler(load([self._file]), server, registry=CollectorRegistry()),
        ):
            yield

    def leap(self, **hours: float) -> None:
        """Let time pass while no scheduler runs."""
        self._clock.tick(timedelta(**hours))

    async def goes_on(self, **hours: float) -> list[dict[str, Any]]:
        """Let time pass, until all that fell due is stored; the rows of the job so far, in order of time."""
        self.leap(**hours)
        pulse_ms = self._pulse_ms()
        async with asyncio.timeout(10):
            while not any(row["scheduled_at"] == pulse_ms for row in await self.rows("pulse")):
                await asyncio.sleep(0.01)
        return await self.rows("j")

    def _pulse_ms(self) -> int:
        period_ms = PULSE // timedelta(milliseconds=1)
        return int(datetime.now(UTC).timestamp() * 1000) // period_ms * period_ms

    async def rows(self, job: str) -> list[dict[str, Any]]:
        """The rows of a job in order of time."""
        rows = await self.rig.root.rows({"cron_source": job}, detail=True)
        return sorted(rows, key=lambda row: (row["scheduled_at"], str(row["task_event_type"]), row["agent_name"] or ""))

    async def ended(self, count: int) -> list[dict[str, Any]]:
        """The rows of the job once so many have ended."""
        async with asyncio.timeout(10):
            while len([row for row in await self.rows("j") if row["outcome"]]) < count:
                await asyncio.sleep(0.01)
        return await self.rows("j")

    async def declared(self) -> dict[str, Any]:
        """What the server shows of the job."""
        async with asyncio.timeout(10):
            while not (jobs := await self.rig.root.call("job_list")):
                await asyncio.sleep(0.01)
        definition: dict[str, Any] = jobs[0]["definition"]
        return definition


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[FrozenDateTimeFactory]:
    monkeypatch.setattr("scheduler.schedule.LONGEST_SLEEP_S", 0.01)
    with freeze_time(START, real_asyncio=True) as frozen:
        yield frozen


@pytest.fixture
async def world(clock: FrozenDateTimeFactory, tmp_path: Path) -> AsyncIterator[World]:
    async with open_rig_in(tmp_path / "state") as rig:
        yield World(rig, clock, tmp_path)


def times(rows: list[dict[str, Any]]) -> list[str]:
    return [f"{datetime.fromtimestamp(row['scheduled_at'] / 1000, UTC):%H:%M:%S}" for row in rows]


def test_every_key_has_a_test_here() -> None:
    tests = [name for name in globals() if name.startswith("test_")]
    assert [key for key in KEYS if key not in KEPT and not any(name.startswith(f"test_{key}_") for name in tests)] == []


async def test_schedule_says_when(world: World) -> None:
    async with world.scheduler('schedule: "30 */2 * * mon,tue"'):
        assert times(await world.goes_on(hours=6)) == ["08:30:00", "10:30:00", "12:30:00"]


async def test_timezone_is_the_one_that_the_schedule_is_read_in(world: World) -> None:
    async with world.scheduler('schedule: "0 18 * * *", timezone: Asia/Shanghai'):
        assert times(await world.goes_on(hours=6)) == ["10:00:00"]


async def test_agents_are_those_that_run_it(world: World) -> None:
    async with world.scheduler(f"agents: [a1, {UUIDS[3].upper()}, 0b6a6d2e-7f0e-4c39-9d7a-1f5f0c1a9e11], {HOURLY}"):
        rows = await world.goes_on(hours=1)
    assert [(row["agent_name"], row["uuid"]) for row in rows] == [
        (None, "0b6a6d2e-7f0e-4c39-9d7a-1f5f0c1a9e11"),
        ("a1", UUIDS[1]),
    ]
    async with world.scheduler(f"agents: all, {HOURLY}"):
        assert [row["agent_name"] for row in (await world.goes_on(hours=1))[2:]] == ["a0", "a1", "a2"]


async def test_task_is_the_task_object(world: World) -> None:
    async with world.scheduler(f'{HOURLY}, task: {{tcp_ping: "h:80"}}'):
        [row] = await world.goes_on(hours=1)
    assert row["task_event_type"] == {"tcp_ping": "h:80"}


async def test_matrix_makes_a_task_of_each_combination(world: World) -> None:
    async with world.scheduler(f'{HOURLY}, matrix: {{h: [x, y], p: [1, 2]}}, task: {{tcp_ping: "${{h}}:${{p}}"}}'):
        rows = await world.goes_on(hours=1)
    assert [row["task_event_type"]["tcp_ping"] for row in rows] == ["x:1", "x:2", "y:1", "y:2"]


async def test_timeout_ends_a_run_without_a_result(world: World) -> None:
    async with world.rig.agent(UUIDS[0]), world.scheduler(f"{HOURLY}, timeout: 100ms"):
        await world.goes_on(hours=1)
        world.leap(seconds=60)
        [row] = await world.ended(1)
    assert (row["outcome"], row["reason"]) == ("unknown", "no_result")
    assert "100 ms" in row["error_message"]


async def test_expect_makes_a_failure_of_a_result(world: World) -> None:
    keys = f"{HOURLY}, task: {{http_request: {{url: 'http://h/', method: GET}}}}, expect: {{status: [204]}}"
    async with world.rig.agent(UUIDS[0]) as agent, world.scheduler(keys):
        await world.goes_on(hours=1)
        await agent.upload(
            agent.response(await agent.task(), {"http_request": {"status": 200, "headers": [], "body": ""}})
        )
        [row] = await world.ended(1)
    assert (row["outcome"], row["reason"]) == ("failed", "status")
    assert row["error_message"] == "expect.status: got 200, want 204"


async def test_splay_gives_each_agent_a_moment_of_its_own(world: World) -> None:
    async with world.scheduler(f"{HOURLY}, agents: all, splay: 50m"):
        rows = await world.goes_on(hours=3)
    moments = {row["agent_name"]: row["scheduled_at"] % 3_600_000 for row in rows}
    assert len(set(moments.values())) == 3
    assert all(0 <= moment < 50 * 60_000 for moment in moments.values())
    assert all(row["scheduled_at"] % 3_600_000 == moments[row["agent_name"]] for row in rows)


@pytest.mark.parametrize(("misfire", "expected"), [("skip", []), ("once", ["13:30:00"])])
async def test_misfire_says_what_becomes_of_ticks_that_passed(world: World, misfire: str, expected: list[str]) -> None:
    keys = f"{HOURLY}, misfire: {misfire}"
    async with world.scheduler(keys):
        await world.goes_on(hours=2)
        await world.declared()
    world.leap(hours=3, minutes=30)
    async with world.scheduler(keys):
        async with asyncio.timeout(10):
            while not (gaps := await world.rig.root.call("job_gaps", ["j"])):
                await asyncio.sleep(0.01)
        rows = await world.goes_on(minutes=20)
    assert gaps[0]["ticks"] == 3
    assert times(rows) == ["09:00:00", "10:00:00", *expected]


@pytest.mark.parametrize(("overlap", "last"), [("allow", [None, None]), ("skip", ["overlap", "overlap"])])
async def test_overlap_says_whether_a_tick_waits_for_the_last(world: World, overlap: str, last: list[Any]) -> None:
    async with world.rig.agent(UUIDS[0]), world.scheduler(f'schedule: "@every 30s", timeout: 5m, overlap: {overlap}'):
        rows = await world.goes_on(minutes=10)
    assert [row["reason"] for row in rows][-2:] == last
    assert ("overlap" in [row["reason"] for row in rows]) == (overlap == "skip")


async def test_active_bounds_when_it_is_due(world: World) -> None:
    keys = f"{HOURLY}, timezone: Asia/Shanghai, active: [{{days: mon, from: '18:00', to: '20:00'}}]"
    async with world.scheduler(keys):
        assert times(await world.goes_on(hours=8)) == ["10:00:00", "11:00:00"]


async def test_maintenance_marks_runs(world: World) -> None:
    keys = f"{HOURLY}, maintenance: [{{from: 2026-11-23T10:00:00Z, to: 2026-11-23T12:00:00Z}}]"
    async with world.scheduler(keys):
        rows = await world.goes_on(hours=4)
    assert [(time, row["maintenance"]) for time, row in zip(times(rows), rows, strict=True)] == [
        ("09:00:00", False),
        ("10:00:00", True),
        ("11:00:00", True),
        ("12:00:00", False),
    ]


async def test_enabled_false_fires_nothing(world: World) -> None:
    async with world.scheduler(f"{HOURLY}, enabled: false"):
        assert await world.goes_on(hours=3) == []


async def test_labels_stand_on_the_job_info(world: World) -> None:
    async with world.scheduler(f"{HOURLY}, labels: {{team: net}}"):
        assert (await world.declared())["labels"] == {"team": "net"}
        _, page = await world.rig.root.page("/metrics")
    assert 'cronprobe_job_info{cron_source="j",schedule="@hourly",timezone="UTC",label_team="net"} 1' in page


async def test_target_is_the_label_of_its_series(world: World) -> None:
    async with world.scheduler(f"{HOURLY}, target: the gate"):
        await world.goes_on(hours=1)
        _, page = await world.rig.root.page("/metrics")
    assert 'cron_source="j",agent="a0",type="ping",target="the gate",outcome="unknown"} 1' in page


async def test_options_travel_to_the_agent(world: World) -> None:
    async with world.rig.agent(UUIDS[0]) as agent, world.scheduler(f"{HOURLY}, options: {{count: 3, interval: 1s}}"):
        await world.goes_on(hours=1)
        assert (await agent.task())["options"] == {"count": 3, "interval_ms": 1000}


async def test_use_takes_the_keys_of_profiles(world: World) -> None:
    async with world.scheduler("use: slow", "profiles: {slow: {schedule: '0 */3 * * *', agents: [a1]}}\n"):
        rows = await world.goes_on(hours=6)
    assert (times(rows), {row["agent_name"] for row in rows}) == (["09:00:00", "12:00:00"], {"a1"})


async def test_retention_is_how_long_rows_are_kept(clock: FrozenDateTimeFactory, tmp_path: Path) -> None:
    async with open_rig_in(tmp_path / "state") as rig:
        world = World(rig, clock, tmp_path)
        async with world.scheduler(f"{HOURLY}, retention: 150m"):
            await world.declared()
            for _ in range(4):
                rows = await world.goes_on(hours=1)
        assert times(rows) == ["09:00:00", "10:00:00", "11:00:00", "12:00:00"]
    async with open_rig_in(tmp_path / "state") as rig, asyncio.timeout(10):  # a server sweeps when it starts
        while "09:00:00" in times(rows := await World(rig, clock, tmp_path).rows("j")):
            await asyncio.sleep(0.01)
        assert times(rows) == ["10:00:00", "11:00:00", "12:00:00"]


KEPT = {
    "slo": ("{objective: 99.9, window: 30d}", {"objective": 99.9, "window": "30d"}),
    "alert": ("{for: 5m, quorum: 2, severity: ticket}", {"for": "5m", "quorum": 2, "severity": "ticket"}),
    "description": ("What it is for", "What it is for"),
    "runbook_url": ("https://wiki.example/j", "https://wiki.example/j"),
}


@pytest.mark.parametrize("key", KEPT)
async def test_what_ticks_do_not_heed_is_shown_with_the_job(world: World, key: str) -> None:
    written, shown = KEPT[key]
    async with world.scheduler(f"{HOURLY}, {key}: {written}"):
        assert (await world.declared())[key] == shown
        assert times(await world.goes_on(hours=2)) == ["09:00:00", "10:00:00"]
