"""What pages show, in which words, and how they are served."""

import json
import re

import pytest

from server.pages.texts import LANGUAGES
from tests.pages.showcase import job
from tests.pages.visitor import FAILED, open_visitor, run_once
from tests.server.rig import AGENT, Rig

HOSTILE = "<script>alert(1)</script>\"'&{{7*7}}"


def states(page: str) -> dict[str, str]:
    """The state of each job, in the page's order."""
    rows = re.findall(r'data-state="(\w+)" data-say="([^:]+):', page)
    return {name: state for state, name in rows}


async def test_jobs_are_listed_the_worst_first(rig: Rig) -> None:
    names = ["a-ok", "b-failing", "c-quiet", "d-away"]
    await rig.root.call("job_declare", [*map(job, names), job("e-off", enabled=False)])
    async with rig.agent() as agent, open_visitor(rig) as visitor:
        await run_once(rig, agent, "a-ok")
        await run_once(rig, agent, "b-failing", **FAILED)
        await run_once(rig, agent, "d-away", success=False, error_message="x", reason="refused")
        page = await visitor.page("/")
        assert list(states(page).items()) == [
            ("b-failing", "failing"),
            ("d-away", "unknown"),
            ("c-quiet", "no_data"),
            ("a-ok", "ok"),
            ("e-off", "disabled"),
        ]
        assert "timed out" in page
        assert "1.50 ms" in page


async def test_a_maintenance_window_stands_above_a_failure(rig: Rig) -> None:
    await rig.root.call("job_declare", [job("job")])
    async with rig.agent() as agent, open_visitor(rig) as visitor:
        await rig.root.call(
            "task_create_batch",
            [
                {
                    "target_uuid": AGENT,
                    "task_type": {"ping": "host.example"},
                    "cron_source": "job",
                    "scheduled_at": 4_000_000_000_000,
                    "timeout_ms": 9_000,
                    "in_maintenance": True,
                }
            ],
        )
        await agent.upload(agent.response(await agent.task(), **FAILED))
        assert states(await visitor.page("/")) == {"job": "maintenance"}


async def test_jobs_are_searched_filtered_and_paged(rig: Rig) -> None:
    await rig.root.call("job_declare", [job(f"web-{n:03}", labels={"team": f"t{n % 2}"}) for n in range(150)])
    async with open_visitor(rig) as visitor:
        assert len(states(await visitor.page("/"))) == 100
        assert next(iter(states(await visitor.page("/?page=2")))) == "web-100"
        assert len(states(await visitor.page("/?page=99&q=T1"))) == 75
        assert list(states(await visitor.page("/?q=web-14"))) == [f"web-14{n}" for n in range(10)]
        assert states(await visitor.page("/?state=failing")) == {}
        assert len(states(await visitor.page("/?state=no_data&q=nothing"))) == 0
        assert len(states(await visitor.page("/?state=bogus&page=x"))) == 100


async def test_the_page_of_a_job_says_what_it_is_and_how_it_went(rig: Rig) -> None:
    definition = {"description": "The front door", "runbook_url": "https://runbooks.example/door"}
    await rig.root.call("job_declare", [job("job", labels={"team": "web"}, definition=definition)])
    async with rig.agent() as agent, open_visitor(rig) as visitor:
        await run_once(rig, agent)
        await run_once(rig, agent, **FAILED)
        page = await visitor.page("/jobs/job")
        for text in (
            "The front door",
            "team=web",
            "host.example",
            "fra-1",
            "Ping Error: Timeout",
            "1.50 ms",
            "timeout",
        ):
            assert text in page
        assert '<a href="https://runbooks.example/door" rel="noopener noreferrer">' in page
        assert page.count('<th scope="row"><time') == 2
        chart = json.loads(await visitor.page("/-/latency?job=job"))
        [series] = chart["series"]
        assert series["name"] == "fra-1"
        assert [value for value in series["values"] if value is not None] == [1.5]
        assert len(chart["times"]) == len(series["values"]) <= 290
        start, end = int(chart["end"] * 1000) - 60_000, int(chart["end"] * 1000)
        zoomed = json.loads(await visitor.page(f"/-/latency?job=job&from={start}&to={end}"))
        assert (zoomed["start"], zoomed["times"][1] - zoomed["times"][0]) == (start / 1000, 1)


async def test_only_web_links_become_links(rig: Rig) -> None:
    await rig.root.call("job_declare", [job("job", definition={"runbook_url": "javascript:alert(1)"})])
    async with open_visitor(rig) as visitor:
        assert "javascript:" not in await visitor.page("/jobs/job")


async def test_older_runs_are_paged(rig: Rig) -> None:
    await rig.root.call("job_declare", [job("job")])
    async with rig.agent() as agent, open_visitor(rig) as visitor:
        for _ in range(52):
            await run_once(rig, agent)
        page = await visitor.page("/jobs/job")
        older = re.search(r'href="(/jobs/job\?before=\d+)"', page)
        assert older is not None
        assert (await visitor.page(older[1])).count('<th scope="row"><time') == 2


async def test_what_others_wrote_is_text(rig: Rig) -> None:
    cells = [{"name": "", "type": "ping", "target": HOSTILE}]
    hostile = job(HOSTILE, cells=cells, labels={HOSTILE: HOSTILE}, definition={"description": HOSTILE})
    hostile["agents"] = [{"uuid": AGENT, "name": HOSTILE}]
    await rig.root.call("job_declare", [hostile])
    async with rig.agent() as agent, open_visitor(rig) as visitor:
        agents = await visitor.page("/agents")
        await run_once(rig, agent, HOSTILE, success=False, error_message=HOSTILE)
        home = await visitor.page("/")
        link = re.search(r'<th role="rowheader" scope="row"><a href="(/jobs/[^"]+)"', home)
        assert link is not None
        pages = [home, await visitor.page(link[1]), agents, await visitor.page(f"/?q={HOSTILE[:9]}")]
        for page in pages:
            assert "<script>alert" not in page
            assert "49" not in re.findall(r"\{\{.*?\}\}", page)
            assert "&lt;script&gt;" in page


async def test_pages_forbid_what_is_not_theirs(rig: Rig) -> None:
    async with open_visitor(rig) as visitor:
        for path in ("/", "/nodeget/rpc", "/agents", "/gaps", "/jobs/none", "/-/latency?job=none"):
            async with visitor.http.get(rig.url + path) as response:
                headers = response.headers
                policy = headers["content-security-policy"]
                assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
                assert "frame-ancestors 'none'" in policy
                assert headers["x-content-type-options"] == "nosniff"
                assert headers["referrer-policy"] == "no-referrer"
                assert headers["cache-control"] == "no-store"
                text = await response.text()
                assert not re.search(r"<script>|<style|\sstyle=|\son\w+=", text)


async def test_linked_files_are_kept_for_ever(rig: Rig) -> None:
    async with open_visitor(rig) as visitor:
        links = re.findall(r'(?:href|src)="(/-/static/[^"]+)"', await visitor.page("/"))
        assert len(links) == 3
        for link in links:
            async with visitor.http.get(rig.url + link) as response:
                assert response.status == 200
                assert response.headers["cache-control"].endswith("immutable")
        assert (await visitor.get("/-/static/0000000000000000/page.css"))[0] == 404


async def test_a_page_has_the_language_that_is_asked_for(rig: Rig) -> None:
    async with open_visitor(rig) as visitor:
        assert '<html lang="en"' in await visitor.page("/")
        for accepted in ("zh-CN,zh;q=0.9,en;q=0.8", "fr, zh;q=0.5, en;q=0.1"):
            page = await visitor.page("/", **{"accept-language": accepted})
            assert '<html lang="zh-CN"' in page
            assert "任务" in page
        await visitor.http.post(rig.url + "/-/settings", data={"language": "zh", "back": "/agents"})
        assert '<html lang="zh-CN"' in await visitor.page("/agents", **{"accept-language": "en"})


async def test_colours_are_remembered_without_a_script(rig: Rig) -> None:
    async with open_visitor(rig) as visitor:
        assert 'data-theme="auto"' in await visitor.page("/")
        async with visitor.http.post(rig.url + "/-/settings", data={"theme": "dark", "back": "/gaps?x=1"}) as response:
            assert response.url.path_qs == "/gaps?x=1"
        assert 'data-theme="dark"' in await visitor.page("/")
        async with visitor.http.post(
            rig.url + "/-/settings", data={"theme": "x", "back": "//evil.example"}
        ) as response:
            assert str(response.url) == rig.url + "/"
        assert 'data-theme="dark"' in await visitor.page("/")


@pytest.mark.parametrize("code", LANGUAGES)
async def test_every_page_can_be_read_in_every_language(rig: Rig, code: str) -> None:
    await rig.root.call("job_declare", [job("job")])
    gap = {"cron_source": "job", "from_ms": 3_900_000_000_000, "to_ms": 3_900_000_600_000, "ticks": 10}
    await rig.root.call("job_record_gaps", [gap])
    async with rig.agent() as agent, open_visitor(rig) as visitor:
        await run_once(rig, agent, **FAILED)
        texts = LANGUAGES[code]
        language = {"accept-language": texts.tag}
        assert texts.states["failing"] in (await visitor.page("/", **language)).lower()
        assert texts.runs in await visitor.page("/jobs/job", **language)
        assert texts.connected in await visitor.page("/agents", **language)
        assert texts.first_due in await visitor.page("/gaps", **language)
        assert (await visitor.get("/jobs/none", **language))[0] == 404
