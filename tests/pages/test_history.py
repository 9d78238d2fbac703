"""What is remembered of the last day, across restarts and declarations; and how an open page hears of it."""

import asyncio
import re
import tracemalloc
from pathlib import Path

from server.clock import now_ms
from server.pages.history import History, ProbeKey, Run
from server.pages.quarters import Ended, Quarters, add_up
from tests.pages.showcase import job, open_showcase
from tests.pages.test_pages import states
from tests.pages.visitor import FAILED, Visitor, news_until, open_visitor, run_once
from tests.server.rig import AGENT, OpenRig, Rig


async def until(visitor: Visitor, path: str, text: str) -> str:
    """The page, as soon as it has the text."""
    async with visitor.live(f"path={path}&seen=0") as ws, asyncio.timeout(10):
        while text not in (page := await visitor.page(path)):
            await ws.receive_str()
    return page


def rest(page: str) -> list[str]:
    """Strips, lines and figures: all that a restart must not change."""
    return re.findall(r'<svg class="(?:strip|spark)".*?</svg>', page, re.DOTALL)


async def test_a_restart_forgets_nothing(open_rig: OpenRig) -> None:
    cells = [{"name": f"c{n}", "type": "ping", "target": f"host-{n}.example"} for n in (1, 2)]
    async with open_rig() as rig, rig.agent() as agent, open_visitor(rig) as visitor:
        await rig.root.call("job_declare", [job("one"), job("two", cells=cells)])
        for members in ({}, {}, FAILED):
            await run_once(rig, agent, "one", **members)
        for place, cell in enumerate(("c1", "c2")):
            new = {
                "target_uuid": AGENT,
                "agent_name": "fra-1",
                "task_type": {"ping": f"host-{place + 1}.example"},
                "cron_source": "two",
                "cell": cell,
                "scheduled_at": now_ms(),
                "timeout_ms": 9_000,
            }
            await rig.root.call("task_create_batch", [new])
            await agent.upload(agent.response(await agent.task(), {"ping": 4.0 + place}))
        before = [await visitor.page(path) for path in ("/", "/jobs/two")]
        assert states(before[0]) == {"one": "failing", "two": "ok"}
    async with open_rig() as rig, open_visitor(rig) as visitor:
        await until(visitor, "/", "two: ok")
        after = [await visitor.page(path) for path in ("/", "/jobs/two")]
        assert states(after[0]) == {"one": "failing", "two": "ok"}
        assert [rest(page) for page in after] == [rest(page) for page in before]


async def test_a_day_in_the_store_is_a_day_on_the_page(tmp_path: Path) -> None:
    async with open_showcase(tmp_path, public_page=True) as rig, open_visitor(rig) as visitor:
        await until(visitor, "/jobs/vpn", "agent_offline")
        page = await until(visitor, "/", "vpn: unknown")
        assert list(states(page).items())[:3] == [("api-health", "failing"), ("vpn", "unknown"), ("search", "degraded")]
        assert states(page)["payments"] == "maintenance"
        strips = re.findall(r'aria-label="([\d.]+) % ok in 24 hours; quarter-hours with failures: (\d+)', page)
        assert len(strips) == 10
        assert sum(int(failures) for _, failures in strips) in range(3, 8)


async def test_what_is_no_longer_declared_is_forgotten(rig: Rig) -> None:
    await rig.root.call("job_declare", [job("job"), job("other")])
    async with rig.agent() as agent, open_visitor(rig) as visitor:
        await run_once(rig, agent)
        await rig.root.call("job_declare", [job("other")])
        assert (await visitor.get("/jobs/job"))[0] == 404
        await rig.root.call("job_declare", [job("job"), job("other")])
        assert states(await visitor.page("/")) == {"job": "no_data", "other": "no_data"}


async def test_a_job_that_nobody_fires_any_more_has_no_data(rig: Rig) -> None:
    await rig.root.call("job_declare", [job("job")])
    async with rig.agent() as agent, open_visitor(rig) as visitor:
        for hours_ago in (2.0, 1.99):
            new = {
                "target_uuid": AGENT,
                "agent_name": "fra-1",
                "task_type": {"ping": "host.example"},
                "cron_source": "job",
                "scheduled_at": now_ms() - int(hours_ago * 3_600_000),
                "timeout_ms": 300_000,
            }
            await rig.root.call("task_create_batch", [new])
        assert [run.reason.word for run in rig.ended if run.reason] == ["internal"] * 2
        assert states(await visitor.page("/")) == {"job": "no_data"}
        await run_once(rig, agent)
        assert states(await visitor.page("/")) == {"job": "ok"}


async def test_an_open_page_hears_of_a_result_within_two_seconds(rig: Rig) -> None:
    await rig.root.call("job_declare", [job("job"), job("other")])
    async with rig.agent() as agent, open_visitor(rig) as visitor:
        seen = re.search(r'data-seen="(\d+)"', await visitor.page("/"))
        assert seen is not None
        async with visitor.live(f"path=/&seen={seen[1]}") as ws, asyncio.timeout(2):
            await run_once(rig, agent, **FAILED)
            news = await news_until(ws, "job: failing")
        assert len(news["listed"]) == 2
        assert "job: failing" in news["parts"][news["listed"][0]]
        assert news["listed"][1] not in news["parts"]
        async with visitor.live("path=/jobs/job") as ws, asyncio.timeout(2):
            await news_until(ws, "timeout")
            await run_once(rig, agent)
            news = await news_until(ws, "job: ok")
        assert set(news["parts"]) == {"standing", "probes", "runs"}
        assert news["listed"] is None


async def test_many_results_are_few_messages(rig: Rig) -> None:
    await rig.root.call("job_declare", [job("job")])
    async with rig.agent() as agent, open_visitor(rig) as visitor, visitor.live() as ws:
        await news_until(ws, "no data")
        start = asyncio.get_running_loop().time()
        for _ in range(60):
            await run_once(rig, agent)
        await run_once(rig, agent, **FAILED)
        messages = 1
        while "job: failing" not in await ws.receive_str(timeout=5):
            messages += 1
        assert messages <= 2 + (asyncio.get_running_loop().time() - start) / 0.5


async def test_an_agent_that_comes_is_seen_on_the_open_page(rig: Rig) -> None:
    async with open_visitor(rig) as visitor, visitor.live("path=/agents") as ws:
        await news_until(ws, "No agent is known")
        async with rig.agent():
            await news_until(ws, "Connected")
        await news_until(ws, "Away")


def test_ten_thousand_probes_fit() -> None:
    tracemalloc.start()
    history = History(now_ms=now_ms)
    for number in range(10_000):
        probe = history.probe(f"job-{number % 1000}", ProbeKey(AGENT, "ping", f"host-{number}.example"))
        probe.note(Run(number, None, False, 1.5, 0))
        probe.quarters.add(number, Ended.OK, 1.5)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 60_000_000


def test_a_day_moves_on_and_forgets_its_past() -> None:
    one, other = Quarters(), Quarters()
    one.add(1_000, Ended.OK, 2.0, 3)
    one.add(1_001, Ended.FAILED, None)
    other.add(1_001, Ended.DEGRADED, 6.0)
    other.add(900, Ended.OK, 1.0)  # out of sight
    day = add_up([one, other], 1_001)
    assert day.worst()[-3:] == [None, Ended.OK, Ended.FAILED]
    assert day.latencies[-3:] == [None, 2.0, 6.0]
    assert [day.total(ended) for ended in Ended] == [3, 1, 0, 1]
    assert day.success_ratio() == 0.8
    assert add_up([one, other], 1_096).worst()[:2] == [Ended.FAILED, None]
    assert add_up([one, other], 1_097).success_ratio() is None
