"""
``http_ping``: the time from before a GET is sent to its response headers, on a fresh connection.

Resolving, connecting and TLS are part of it. Redirects are not followed unless the options say so; any status is a
success.
"""

import time

from yarl import URL

from agent.probes.http_client import HTTP_FAILURES, MOST_REDIRECTS, open_client
from agent.probes.interface import Ending, Failed, Found
from agent.probes.reasons import http_reason, text_of
from protocol.tasks.http_ping import HttpPingOptions


async def probe(url: str, options: HttpPingOptions | None) -> Ending:
    """The time to the headers, in ms."""
    options = options or HttpPingOptions()
    async with open_client(options=options) as (client, connector):
        start_s = time.perf_counter()
        try:
            async with client.get(
                URL(url, encoded=True), allow_redirects=options.follow_redirects, max_redirects=MOST_REDIRECTS + 1
            ) as response:
                duration_ms = (time.perf_counter() - start_s) * 1000
        except HTTP_FAILURES as e:
            text = f"Other error: Other error: Other error: Failed to http ping target: {text_of(e)}"
            return Failed(http_reason(e, is_proxied=options.proxy is not None), text, connector.detail)
        return Found(duration_ms, {"duration_ms": duration_ms, "status": response.status, **(connector.detail or {})})
