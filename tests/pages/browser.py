"""Debian's Chromium, driven by Playwright; what it complains of, on the console or of the policy, is kept."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.server.rig import ROOT

CHROMIUM = "/usr/bin/chromium"
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


class Tab:
    """A page with a session of the root token, and all that the browser complained of."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        page.on("console", lambda message: self._hear(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _hear(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    async def log_in(self) -> None:
        await self.page.goto(self.url)
        await self.page.fill("#credential", ROOT)
        await self.page.press("#credential", "Enter")
        await self.page.wait_for_selector("form[action='/-/logout']")

    async def open(self, path: str) -> None:
        await self.page.goto(self.url + path)

    async def wait_live(self) -> None:
        await self.page.wait_for_selector("#live:not(.away):not([hidden])")


@asynccontextmanager
async def open_tab(browser: Browser, url: str, **settings: Any) -> AsyncIterator[Tab]:
    context: BrowserContext = await browser.new_context(**{"viewport": WIDE, "locale": "en-GB", **settings})
    context.set_default_timeout(10_000)
    try:
        tab = Tab(await context.new_page(), url)
        await tab.log_in()
        yield tab
    finally:
        await context.close()
