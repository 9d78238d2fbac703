"""
``http_request``: one request of any kind with its whole response.

Redirects are followed, ten at most, unless the options say otherwise; the body is as it came, not decompressed. The
detail's ``duration_ms`` runs from before the request to the last byte of the body.
"""

import base64
import re
import time

from aiohttp import ClientResponse, ClientSession
from yarl import URL

from agent.probes.http_client import HTTP_FAILURES, MOST_REDIRECTS, Connector, open_client
from agent.probes.interface import Ending, Failed, Found
from agent.probes.reasons import http_reason, text_of
from protocol.outcomes import Reason
from protocol.tasks.http_request import HttpRequest, HttpRequestOptions, HttpResponse, refuse, refuse_family

_VISIBLE = re.compile(rb"[\t\x20-\x7e]*")


async def probe(request: HttpRequest, options: HttpRequestOptions | None) -> Ending:
    """The final response."""
    options = options or HttpRequestOptions()
    refusal = refuse(request) or refuse_family(request, options)
    if refusal is not None:
        return Failed(Reason.PROBE_ERROR, f"Other error: Invalid input: {refusal}")
    async with open_client((request.ip or "").strip(), options) as (client, connector):
        try:
            return await _exchange(request, options, client, connector)
        except HTTP_FAILURES as e:
            text = f"Other error: Other error: HTTP request failed: {text_of(e)}"
            return Failed(http_reason(e, is_proxied=options.proxy is not None), text, connector.detail)


async def _exchange(
    request: HttpRequest, options: HttpRequestOptions, client: ClientSession, connector: Connector
) -> Ending:
    start_s = time.perf_counter()
    async with client.request(
        request.method.strip().upper(),
        URL(request.url, encoded=True),
        headers=request.headers,
        data=request.content(),
        allow_redirects=options.follow_redirects,
        # aiohttp counts the response that it refuses to follow.
        max_redirects=MOST_REDIRECTS + 1,
    ) as response:
        connector.phases.begin()
        body = await _read(response, options.max_body)
        connector.phases.end("transfer")
    duration_ms = (time.perf_counter() - start_s) * 1000
    detail = {"duration_ms": duration_ms, "status": response.status, **(connector.detail or {})}
    if body is None:
        text = f"Other error: Other error: HTTP response body too large: exceeds {options.max_body} bytes"
        return Failed(Reason.BODY, text, detail)
    return Found(_response(response, body), detail)


async def _read(response: ClientResponse, most_bytes: int) -> bytes | None:
    """The body; ``None`` when it is larger than that."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > most_bytes:
            return None
    return bytes(body)


def _response(response: ClientResponse, body: bytes) -> HttpResponse:
    headers = [{name.decode("latin-1").lower(): _header_value(value)} for name, value in response.raw_headers]
    try:
        return HttpResponse(response.status, headers, body=body.decode())
    except UnicodeDecodeError:
        return HttpResponse(response.status, headers, body_base64=base64.b64encode(body).decode())


def _header_value(value: bytes) -> str:
    return value.decode() if _VISIBLE.fullmatch(value) else base64.b64encode(value).decode()
