"""What a request says before anybody has answered it: where it came from, and the form that it brings."""

import asyncio

from aiohttp import web

_FORM = "application/x-www-form-urlencoded"
_MOST_FORM_BYTES = 8_192
_FORM_S = 10


def is_own_page(request: web.Request, *, must_say: bool) -> bool:
    """
    Whether one of our pages made the request: browsers say so, and no script can make them say otherwise.

    A form says ``null``, for the pages send no referrer. ``must_say`` refuses who says nothing, as browsers never do
    when they open a WebSocket.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    if origin is None or origin == "null":
        return not must_say
    return origin.partition("://")[2].lower() == request.host.lower()


async def read_form(request: web.Request) -> dict[str, str] | None:
    """The fields of a small form; ``None`` when it is none, or does not come."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _FORM or (request.content_length or 0) > _MOST_FORM_BYTES:
        return None
    try:
        async with asyncio.timeout(_FORM_S):
            form = await request.post()
    except TimeoutError:
        return None
    return {name: value for name, value in form.items() if isinstance(value, str)}


def way_back(path: str) -> str:
    """The path of one of our own pages that a form names, else the first page."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() else "/"
