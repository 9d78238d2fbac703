"""The answer to a scrape: the page of metrics in the format and the coding that the request asks for."""

from aiohttp import hdrs, web

from server.metrics.page import Page
from server.metrics.text import wanted


async def answer_scrape(request: web.Request, page: Page) -> web.StreamResponse:
    """Write the page."""
    form = wanted(request.headers.get(hdrs.ACCEPT, ""))
    response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: form.value, hdrs.VARY: "Accept, Accept-Encoding"})
    is_zipped = "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "")
    if is_zipped:
        response.headers[hdrs.CONTENT_ENCODING] = "gzip"
    await response.prepare(request)
    if request.method != hdrs.METH_HEAD:
        async for piece in page.zipped(form) if is_zipped else page.pieces(form):
            if piece:
                await response.write(piece)
    await response.write_eof()
    return response
