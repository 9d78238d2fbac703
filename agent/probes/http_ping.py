"""
``http_ping``: the time from before a GET is sent to its response headers, on a fresh connection.

Resolving, connecting and TLS are part of it. Redirects are not followed; any status is a success.
"""

import time

from yarl import URL

from agent.probes.http_client import HTTP_FAILURES, open_client
from agent.probes.interface import Ending, Failed, Found
from agent.probes.reasons import http_reason, text_of


async def probe(url: str) -> Ending:
    """The time to the headers, in ms."""
    async with open_client() as (client, connector):
        start_s = time.perf_counter()
        try:
            async with client.get(URL(url, encoded=True), allow_redirects=False) as response:
                duration_ms = (time.perf_counter() - start_s) * 1000
        except HTTP_FAILURES as e:
            text = f"Other error: Other error: Other error: Failed to http ping target: {text_of(e)}"
            return Failed(http_reason(e), text, connector.detail)
        return Found(duration_ms, {"duration_ms": duration_ms, "status": response.status, "address": connector.ip})
