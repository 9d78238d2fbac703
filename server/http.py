"""
aiohttp's door: JSON-RPC over POST and WebSocket on any path, the metrics page, health; ``pages`` has the others.

It knows nothing of methods; ``Rpc`` turns the bytes of a frame into the bytes of its reply.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import structlog
from aiohttp import WSCloseCode, web

from protocol.errors import StartError
from protocol.jsonrpc import PARSE_ERROR, error_of
from server.config import REQUEST_LIMIT_BYTES
from server.grants import Grants
from server.methods.interface import Exchange
from server.metrics.page import Page
from server.pages.door import LIVE, Pages
from server.reloading import Reloading
from server.rpc import Rpc
from server.scraping import answer_scrape
from server.sessions import Sessions
from server.terminal import LARGEST_MESSAGE, Terminals
from server.websocket import GOODBYE_S, WebSocket

log = structlog.get_logger()

_JSON = "application/json; charset=utf-8"
_TYPES = frozenset(
    f"{kind}{charset}"
    for kind in ("application/json", "application/json-rpc")
    for charset in ("", ";charset=utf-8", "; charset=utf-8")
)
_WRONG_TYPE = "Supplied content type is not allowed. Content-Type: application/json is required\n"
_WRONG_METHOD = "Used HTTP Method is not allowed. POST is required\n"
_TOO_MANY = "Too many connections. Please try again later."
_TOO_BIG = -32007
_DEAD_PEER_MS = 20_000


class Door:
    """The handlers of one listener."""

    def __init__(
        self,
        *,
        rpc: Rpc,
        sessions: Sessions,
        metrics: Page,
        pages: Pages,
        is_ready: Callable[[], bool],
        grants: Grants,
        terminals: Terminals,
        reloading: Reloading,
        max_connections: int,
        ping_s: float,
    ) -> None:
        self._rpc = rpc
        self._sessions = sessions
        self._metrics = metrics
        self._pages = pages
        self._is_ready = is_ready
        self._grants = grants
        self._terminals = terminals
        self._reloading = reloading
        self._room = max_connections
        self._ping_s = ping_s
        self._sockets: set[web.WebSocketResponse] = set()
        self._closing = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Any request. Pages are served however many connections there are: that is when they are looked at."""
        is_upgrade = _is_upgrade(request)
        if not is_upgrade and request.method in ("GET", "HEAD"):
            return await self._get(request)
        if not is_upgrade and request.method != "POST":
            return _plain(_WRONG_METHOD, 405)
        page = None if is_upgrade else await self._pages.post(request)
        if page is not None:
            return page
        if self._room <= 0:
            self._rpc.count_refused(429)
            return _plain(_TOO_MANY, 429)
        self._room -= 1
        try:
            return await (self._websocket(request) if is_upgrade else self._post(request))
        finally:
            self._room += 1

    async def _get(self, request: web.Request) -> web.StreamResponse:
        match request.path:
            case "/metrics":
                return await answer_scrape(request, self._metrics)
            case "/-/healthy":
                return web.Response(text="ok\n")
            case "/-/ready":
                ready = self._is_ready() and not self._closing
                return web.Response(text="ready\n" if ready else "not ready\n", status=200 if ready else 503)
            case _:
                return await self._pages.get(request) or _plain(_WRONG_METHOD, 405)

    async def _reload(self, request: web.Request) -> web.Response:
        status, answer = await self._reloading.answer(request.headers.get("authorization", ""))
        return _json(msgspec.json.encode(answer), status)

    async def _post(self, request: web.Request) -> web.Response:
        if request.path == "/-/reload":
            return await self._reload(request)
        if request.headers.get("content-type", "").lower() not in _TYPES:
            return _plain(_WRONG_TYPE, 415)
        if (request.content_length or 0) > REQUEST_LIMIT_BYTES:
            self._rpc.count_refused(_TOO_BIG)
            return _too_large()
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            self._rpc.count_refused(_TOO_BIG)
            return _json(error_of(b"null", -32603, "Internal error"), status=500)
        if body[:128].lstrip()[:1] not in (b"{", b"["):
            self._rpc.count_refused(-32700)
            return _json(PARSE_ERROR, status=400)
        return _json(await self._rpc.answer(body, Exchange()) or b"null")

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        is_terminal = request.path == "/terminal"
        viewer = await self._pages.may_follow(request) if request.path == LIVE else True
        if viewer is False:
            return _plain("log in first, on a page of this server\n", 403)
        ws = web.WebSocketResponse(
            max_msg_size=LARGEST_MESSAGE if is_terminal else REQUEST_LIMIT_BYTES,
            heartbeat=self._ping_s,
            autoping=not is_terminal,
        )
        await ws.prepare(request)
        _notice_dead_peers(request)
        self._sockets.add(ws)
        try:
            if self._closing:
                return ws
            if request.path == LIVE:
                await self._pages.follow(ws, request, viewer)
            elif is_terminal:
                await self._terminals.serve(ws, request.query)
            else:
                await self._converse(ws, request.remote or "")
        finally:
            self._sockets.discard(ws)
        return ws

    async def _converse(self, ws: web.WebSocketResponse, address: str) -> None:
        await WebSocket(ws, rpc=self._rpc, address=address, sessions=self._sessions, grants=self._grants).serve()
        if ws.close_code == WSCloseCode.MESSAGE_TOO_BIG:
            self._rpc.count_refused(_TOO_BIG)

    async def goodbye(self) -> None:
        """Close the WebSockets, so that the listener need not wait for them."""
        self._closing = True
        closing = [ws.close(code=WSCloseCode.GOING_AWAY, message=b"server stops") for ws in list(self._sockets)]
        try:
            async with asyncio.timeout(GOODBYE_S):
                await asyncio.gather(*closing)
        except TimeoutError:
            log.warning("some peers did not say goodbye", connections=len(self._sockets))


@asynccontextmanager
async def open_door(door: Door, *, host: str, port: int) -> AsyncIterator[int]:
    """
    Listen; gives the port, which is the system's choice when ``port`` is 0.

    Raises:
        StartError: the address cannot be listened on.
    """
    app = web.Application(client_max_size=REQUEST_LIMIT_BYTES)
    app.router.add_route("*", "/{path:.*}", door.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=GOODBYE_S)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=1024)
        try:
            await site.start()
        except OSError as e:
            # asyncio's own text repeats the address; the error's number says it shorter.
            why = e.strerror if isinstance(e, socket.gaierror) else os.strerror(e.errno or 0)
            raise StartError(f"--listen {host}:{port}: {why}; stop what listens there or choose another") from e
        yield runner.addresses[0][1]
    finally:
        await door.goodbye()
        await runner.cleanup()


def _is_upgrade(request: web.Request) -> bool:
    connection = {token.strip().lower() for token in request.headers.get("connection", "").split(",")}
    return request.headers.get("upgrade", "").lower() == "websocket" and "upgrade" in connection


def _notice_dead_peers(request: web.Request) -> None:
    """A peer that vanished is noticed when data goes unacknowledged for 20 s: tcp(7), TCP_USER_TIMEOUT."""
    transport = request.transport
    peer = None if transport is None else transport.get_extra_info("socket")
    if peer is not None and peer.family in (socket.AF_INET, socket.AF_INET6):
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_PEER_MS)


def _plain(text: str, status: int) -> web.Response:
    return web.Response(body=text.encode(), status=status, headers={"content-type": "text/plain"})


def _json(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, headers={"content-type": _JSON})


def _too_large() -> web.Response:
    return _json(
        error_of(b"null", _TOO_BIG, "Request is too big", f"Exceeded max limit of {REQUEST_LIMIT_BYTES}"), status=413
    )
