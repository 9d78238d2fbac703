"""
The HTTP client of the probes: a fresh connection for each request and each redirect, nothing hidden.

No proxy from the environment, no cookies, no cached names, no second attempt, no decompression. Of headers it adds
Host, ``Accept: */*``, ``Connection: close`` and, with a body, Content-Length.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientHandlerType,
    ClientOSError,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    ServerDisconnectedError,
    TCPConnector,
)
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

CONNECT_LIMIT_S = 5.0
_SKIPPED_HEADERS = ("User-Agent", "Accept-Encoding", "Content-Type")
# What a probe expects to go wrong: ValueError is what aiohttp makes of headers and methods that cannot be sent.
HTTP_FAILURES = (ClientError, OSError, ValueError)


class ConnectionDropped(ClientError):
    """The peer ended the connection before it had answered."""


class Connector(TCPConnector):
    """Remembers which address the last connection went to; ``None`` before the first."""

    ip: str | None = None

    @property
    def detail(self) -> dict[str, str] | None:
        """What a failed probe can say of its connection."""
        return None if self.ip is None else {"address": self.ip}

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout) -> Connection:
        """A fresh connection."""
        connection = await super().connect(req, traces, timeout)
        if connection.transport is not None:
            self.ip = connection.transport.get_extra_info("peername")[0]
        return connection


@asynccontextmanager
async def open_client(egress: str = "") -> AsyncIterator[tuple[ClientSession, Connector]]:
    """A client whose connections leave by ``egress``: ``ipv4 auto``, ``ipv6 auto``, a local address, or ``""``."""
    local_ip = {"ipv4 auto": "0.0.0.0", "ipv6 auto": "::"}.get(egress.lower(), egress)  # noqa: S104 no listener
    # The local address alone decides the family: with ``family`` too, aiohttp 3.14 ends in an AssertionError when the
    # target is a literal of the other one.
    connector = Connector(force_close=True, use_dns_cache=False, local_addr=(local_ip, 0) if local_ip else None)
    async with ClientSession(
        connector=connector,
        cookie_jar=DummyCookieJar(),
        skip_auto_headers=_SKIPPED_HEADERS,
        timeout=ClientTimeout(total=None, sock_connect=CONNECT_LIMIT_S),
        auto_decompress=False,
        middlewares=(_once,),
    ) as client:
        yield client, connector


async def _once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """aiohttp sends an idempotent request again when the connection drops: a probe would miss the first failure."""
    try:
        return await handler(request)
    except ClientConnectorError:
        raise
    except (ClientOSError, ServerDisconnectedError) as e:
        raise ConnectionDropped(str(e)) from e
