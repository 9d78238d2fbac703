"""
The HTTP client of the probes: a fresh connection for each request and each redirect, nothing hidden.

No proxy from the environment, no cookies, no cached names, no second attempt, no decompression. Of headers it adds
Host, ``Accept: */*``, ``Connection: close`` and, with a body, Content-Length. What the options of a task change of that
is set here, but for what is said request by request.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

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
    HttpVersion,
    ServerDisconnectedError,
    TCPConnector,
)
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from agent.probes.certificate import expiry
from agent.probes.phases import Phases, TimedResolver
from protocol.options import HttpOptions

CONNECT_LIMIT_S = 5.0
MOST_REDIRECTS = 10
_LOCAL_IPS = {"ipv4 auto": "0.0.0.0", "ipv6 auto": "::"}  # noqa: S104 no listener
_VERSIONS = {None: HttpVersion(1, 1), "1.0": HttpVersion(1, 0), "1.1": HttpVersion(1, 1)}
_SKIPPED_HEADERS = ("User-Agent", "Accept-Encoding", "Content-Type")
# What a probe expects to go wrong: ValueError is what aiohttp makes of headers and methods that cannot be sent.
HTTP_FAILURES = (ClientError, OSError, ValueError)


class ConnectionDropped(ClientError):
    """The peer ended the connection before it had answered."""


class Connector(TCPConnector):
    """Remembers where the last connection went to, when the certificate that it was shown expires, and the phases."""

    def __init__(self, **options: Any) -> None:
        self.phases = Phases()
        super().__init__(resolver=TimedResolver(self.phases), **options)
        self._peer: dict[str, Any] | None = None
        # aiohttp makes the protocol of a connection when TCP stands, and one more before TLS through a proxy.
        self._factory = partial(self._connected, self._factory)

    @property
    def detail(self) -> dict[str, Any] | None:
        """What a probe can say of its connection; ``None`` before the first."""
        return None if self._peer is None else {**self._peer, **self.phases.told()}

    def _connected(self, make_protocol: Callable[[], ResponseHandler]) -> ResponseHandler:
        self.phases.end("connect")
        return make_protocol()

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout) -> Connection:
        """A fresh connection."""
        self.phases.begin()
        connection = await super().connect(req, traces, timeout)
        transport = connection.transport
        if transport is not None:
            ip = transport.get_extra_info("peername")[0]
            tls = transport.get_extra_info("ssl_object")
            self.phases.end("connect" if tls is None else "tls")
            self._peer = {"address" if req.proxy is None else "proxy_address": ip, **expiry(tls)}
        return connection


@asynccontextmanager
async def open_client(
    egress: str = "", options: HttpOptions | None = None
) -> AsyncIterator[tuple[ClientSession, Connector]]:
    """
    A client whose connections leave by ``egress``: ``ipv4 auto``, ``ipv6 auto``, a local address, or ``""``.

    ``""`` leaves it to the family of the options.
    """
    options = options or HttpOptions()
    if not egress and options.family is not None:
        egress = f"ipv{options.family} auto"
    local_ip = _LOCAL_IPS.get(egress.lower(), egress)
    # The local address alone decides the family: with ``family`` too, aiohttp 3.14 ends in an AssertionError when the
    # target is a literal of the other one.
    connector = Connector(
        force_close=True,
        use_dns_cache=False,
        local_addr=(local_ip, 0) if local_ip else None,
        ssl=options.verify_tls,
    )
    async with ClientSession(
        connector=connector,
        version=_VERSIONS[options.http_version],
        proxy=options.proxy,
        cookie_jar=DummyCookieJar(),
        skip_auto_headers=_SKIPPED_HEADERS,
        timeout=ClientTimeout(total=None, sock_connect=CONNECT_LIMIT_S),
        auto_decompress=False,
        middlewares=(_Naming(options.server_name), _Once(connector.phases)),
    ) as client:
        yield client, connector


class _Naming:
    """Sets the name that TLS asks for; ``None`` and a redirect to another host leave it to the URL."""

    def __init__(self, server_name: str | None) -> None:
        self._server_name = server_name
        self._host: str | None = None

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        self._host = self._host or request.url.host
        if request.url.host == self._host:
            request.server_hostname = self._server_name
        return await handler(request)


class _Once:
    """aiohttp sends an idempotent request again when the connection drops: a probe would miss the first failure."""

    def __init__(self, phases: Phases) -> None:
        self._phases = phases

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        try:
            response = await handler(request)
        except ClientConnectorError:
            raise
        except (ClientOSError, ServerDisconnectedError) as e:
            raise ConnectionDropped(str(e)) from e
        self._phases.end("processing")
        return response
