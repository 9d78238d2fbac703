"""``make screenshots``: how the pages look, as pictures in ``screenshots/``."""

import asyncio
import tempfile
from pathlib import Path

from tests.pages.browser import PHONE, Tab, open_browser, open_tab
from tests.pages.showcase import open_showcase

_FOLDER = Path("screenshots")
_PICTURES = (
    ("overview", "/", {}),
    ("overview-dark", "/", {"color_scheme": "dark"}),
    ("overview-chinese", "/", {"locale": "zh-CN"}),
    ("overview-phone", "/", {"viewport": PHONE}),
    ("job", "/jobs/api-health", {}),
    ("job-dark", "/jobs/search", {"color_scheme": "dark"}),
    ("job-phone", "/jobs/checkout", {"viewport": PHONE}),
    ("agents", "/agents", {}),
    ("missed-ticks", "/gaps", {}),
)


async def main() -> None:
    _FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        async with open_showcase(Path(folder)) as rig, open_browser() as browser:
            for name, path, settings in _PICTURES:
                async with open_tab(browser, rig.url, **settings) as tab:
                    await _take(tab, name, path)
            context = await browser.new_context(locale="en-GB")
            page = await context.new_page()
            await page.goto(rig.url)
            await page.screenshot(path=_FOLDER / "landing.png")
            await context.close()


async def _take(tab: Tab, name: str, path: str) -> None:
    await tab.open(path)
    if path not in ("/gaps",):
        await tab.wait_live()
    if path.startswith("/jobs/"):
        await tab.page.wait_for_selector(".uplot canvas")
    await tab.page.screenshot(path=_FOLDER / f"{name}.png", full_page=True)
    print(f"screenshots/{name}.png")


if __name__ == "__main__":
    asyncio.run(main())
