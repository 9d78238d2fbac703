"""The pages in a real browser: live, drawn, zoomed, read by keyboard, and found accessible by axe."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser

from tests.pages.browser import PHONE, Tab, open_browser, open_tab
from tests.pages.showcase import job, open_showcase
from tests.pages.visitor import FAILED, run_once
from tests.server.rig import Rig, open_rig_in

pytestmark = pytest.mark.external("chromium")

PAGES = ("/", "/jobs/api-health", "/agents", "/gaps", "/jobs/none")


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as browser:
        yield browser


@pytest.fixture
async def showcase(tmp_path: Path) -> AsyncIterator[Rig]:
    async with open_showcase(tmp_path) as rig:
        yield rig


async def state_of(tab: Tab, name: str, state: str) -> None:
    """Wait at most two seconds until the page shows the job in this state."""
    await tab.page.wait_for_selector(f"tr[data-state='{state}']:has(a[href='/jobs/{name}'])", timeout=2_000)


async def test_each_job_has_its_state_within_two_seconds(rig: Rig, browser: Browser) -> None:
    await rig.root.call("job_declare", [job("a"), job("b"), job("c")])
    async with rig.agent() as agent, open_tab(browser, rig.url) as tab:
        await tab.wait_live()
        await run_once(rig, agent, "b")
        await state_of(tab, "b", "ok")
        await run_once(rig, agent, "c", **FAILED)
        await state_of(tab, "c", "failing")
        names = await tab.page.locator("#list th a").all_inner_texts()
        assert names == ["c", "a", "b"]
        assert await tab.page.inner_text("#changes") == "c: failing"
        await run_once(rig, agent, "a", success=False, error_message="x", reason="refused")
        await state_of(tab, "a", "unknown")
        await state_of(tab, "b", "ok")
        assert tab.complaints == []


async def test_the_focus_stays_where_it_was(rig: Rig, browser: Browser) -> None:
    await rig.root.call("job_declare", [job("a"), job("b")])
    async with rig.agent() as agent, open_tab(browser, rig.url) as tab:
        await tab.wait_live()
        await tab.page.focus("a[href='/jobs/b']")
        await run_once(rig, agent, "b", **FAILED)
        await state_of(tab, "b", "failing")
        assert await tab.page.evaluate("document.activeElement.getAttribute('href')") == "/jobs/b"
        await tab.page.keyboard.press("Enter")
        await tab.page.wait_for_url("**/jobs/b")


async def test_the_first_key_leads_to_the_content(rig: Rig, browser: Browser) -> None:
    async with open_tab(browser, rig.url) as tab:
        await tab.page.reload()
        await tab.page.keyboard.press("Tab")
        assert await tab.page.evaluate("document.activeElement.className") == "skip"
        await tab.page.keyboard.press("Enter")
        assert await tab.page.evaluate("document.activeElement.id") == "main"


async def test_a_page_comes_back_to_a_server_that_comes_back(tmp_path: Path, browser: Browser) -> None:
    context = await browser.new_context(locale="en-GB")
    page = await context.new_page()
    async with open_rig_in(tmp_path, public_page=True) as rig:
        await rig.root.call("job_declare", [job("a")])
        await page.goto(rig.url)
        await page.wait_for_selector("#live:not(.away):not([hidden])")
    await page.wait_for_selector("#live.away")
    async with open_rig_in(tmp_path, public_page=True, port=rig.server.port) as rig:
        await page.wait_for_selector("#live:not(.away)")
        async with rig.agent() as agent:
            await run_once(rig, agent, "a")
            await page.wait_for_selector("tr[data-state=ok]", timeout=2_000)
    await context.close()


async def shown_seconds(tab: Tab) -> float:
    start, end = [float(await tab.page.get_attribute("#chart", f"data-{name}") or 0) for name in ("start", "end")]
    return end - start


async def wait_seconds(tab: Tab, least: float, most: float) -> None:
    """Wait until the chart shows so much time."""
    async with asyncio.timeout(10):
        while not least < await shown_seconds(tab) < most:
            await tab.page.evaluate("new Promise(requestAnimationFrame)")


async def test_the_chart_is_drawn_and_zooms(showcase: Rig, browser: Browser) -> None:
    async with open_tab(browser, showcase.url) as tab:
        await tab.open("/jobs/checkout")
        await tab.page.wait_for_selector(".uplot canvas")
        assert await shown_seconds(tab) == pytest.approx(86_400, abs=1)
        drawn = await tab.page.evaluate(
            "(() => { const c = document.querySelector('.uplot canvas'); "
            "return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((byte) => byte > 0); })()"
        )
        assert drawn
        box = await tab.page.locator(".u-over").bounding_box()
        assert box is not None
        await tab.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 50)
        await tab.page.mouse.down()
        await tab.page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 60, steps=5)
        await tab.page.mouse.up()
        await wait_seconds(tab, 21_000, 22_200)
        await tab.page.click("button[data-zoom]")
        await wait_seconds(tab, 10_500, 11_100)
        await tab.page.click("button[data-whole]")
        await wait_seconds(tab, 86_399, 86_401)
        assert tab.complaints == []


async def test_colours_and_language_switch(showcase: Rig, browser: Browser) -> None:
    async with open_tab(browser, showcase.url) as tab:
        ground = "getComputedStyle(document.body).backgroundColor"
        light = await tab.page.evaluate(ground)
        await tab.page.click("button[value=dark]")
        await tab.page.wait_for_selector("html[data-theme=dark]")
        assert await tab.page.evaluate(ground) != light
        await tab.page.click("button[value=zh]")
        await tab.page.wait_for_selector("html[lang=zh-CN][data-theme=dark]")
        assert await tab.page.inner_text("h1") == "任务"
        assert await tab.page.locator("tr.failing .badge").first.inner_text() == "故障"
        assert tab.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("settings", [{}, {"viewport": PHONE}], ids=["wide", "phone"])
async def test_axe_finds_nothing_serious(
    showcase: Rig, browser: Browser, scheme: str, settings: dict[str, Any]
) -> None:
    async with open_tab(browser, showcase.url, color_scheme=scheme, **settings) as tab:
        for path in PAGES:
            await tab.open(path)
            if path.endswith("health"):
                await tab.page.wait_for_selector(".uplot canvas")
            await look_with_axe(tab, path)
        context = await browser.new_context(color_scheme=scheme, locale="zh-CN", **settings)
        stranger = Tab(await context.new_page(), showcase.url)
        await stranger.open("/")
        await look_with_axe(stranger, "landing")
        await context.close()
        assert [text for text in tab.complaints if "404" not in text] == []


async def look_with_axe(tab: Tab, path: str) -> None:
    found = (await Axe().run(tab.page)).response["violations"]
    serious = [
        (violation["id"], node["html"][:200], node["failureSummary"])
        for violation in found
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]
    assert serious == [], path


async def test_a_phone_needs_no_scrolling_to_the_side(showcase: Rig, browser: Browser) -> None:
    async with open_tab(browser, showcase.url, viewport=PHONE) as tab:
        for path in PAGES:
            await tab.open(path)
            if path.endswith("health"):
                await tab.page.wait_for_selector(".uplot canvas")
            width = await tab.page.evaluate("document.documentElement.scrollWidth")
            assert width <= PHONE["width"], path


async def test_everything_can_be_read_without_scripts(showcase: Rig, browser: Browser) -> None:
    async with open_tab(browser, showcase.url, java_script_enabled=False) as tab:
        async with asyncio.timeout(10):
            while await tab.page.locator("tr.failing").count() == 0:
                await tab.open("/")
        assert await tab.page.locator("tr.failing .badge").inner_text() == "failing"
        assert await tab.page.locator("svg.strip").count() > 10
        await tab.page.click("a[href='/jobs/checkout']")
        assert await tab.page.locator("svg.spark.large").count() == 1
        assert await tab.page.locator("#runs tr").count() == 50
        assert not await tab.page.locator("#chart-buttons").is_visible()
        await tab.page.click("button[value=dark]")
        assert await tab.page.get_attribute("html", "data-theme") == "dark"
