"""
Keeps an open page up to date: what changed of it is sent, at most twice a second, until the page is left.

A page that is costly to make is made less often, so that those who look never cost more than a part of the core.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import msgspec
from msgspec import Struct

from server.pages.content import Content
from server.pages.history import History

Send = Callable[[bytes], Awaitable[None]]

_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 1.5
_SHARE = 5


class News(Struct, frozen=True):
    """
    A message to the page: elements that are new or other ones, by id.

    ``listed`` are the children of the element ``list`` in their order, ``None`` when the page has no such element.
    """

    parts: dict[str, str]
    listed: list[str] | None


async def follow(history: History, content: Content, make: Callable[[], Awaitable[Content | None]], send: Send) -> None:
    """
    Send what changes in ``content``, which the page shows.

    ``make`` makes it again; ``None`` says that it may be seen no longer.
    """
    clock = asyncio.get_running_loop().time
    watch = history.watch(content.job)
    try:
        shown = content
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(shown.again_s):
                    await watch.changed()
            start = clock()
            made = await make()
            if made is None:
                return
            spent_s = clock() - start
            news = difference(shown, made)
            if news is not None:
                await send(msgspec.json.encode(news))
            shown = made
            await asyncio.sleep(min(_LONGEST_PAUSE_S, max(_PAUSE_S, spent_s * _SHARE)))
    finally:
        history.unwatch(watch)


def difference(shown: Content | None, made: Content) -> News | None:
    """What a page that shows the one lacks of the other; ``None`` for nothing. A page that shows neither lacks all."""
    before = {} if shown is None else shown.parts
    parts = {id_: str(html) for id_, html in made.parts.items() if before.get(id_) != html}
    if not parts and shown is not None and shown.listed == made.listed:
        return None
    return News(parts, list(made.listed) if made.template == "overview.html" else None)
