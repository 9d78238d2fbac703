"""
A caller's WebSocket: frames in, replies out in whatever order they are done.

Small frames are answered side by side, so many at once; larger ones one after another, so that a connection holds one
of them at most. A peer that does not read is not read from either.
"""

import asyncio
from contextlib import suppress

import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from server.connection import Connection
from server.grants import Grants
from server.methods.interface import Exchange
from server.rpc import Rpc
from server.sessions import Sessions

log = structlog.get_logger()

GOODBYE_S = 0.5
_FRAMES_AT_ONCE = 64
_LARGE_FRAME_BYTES = 256 * 1024


class WebSocket:
    """One open connection; ``address`` is its peer's."""

    def __init__(
        self, ws: web.WebSocketResponse, *, rpc: Rpc, address: str, sessions: Sessions, grants: Grants
    ) -> None:
        self._ws = ws
        self._rpc = rpc
        self._address = address
        self._sessions = sessions
        self._grants = grants
        self._seats = asyncio.Semaphore(_FRAMES_AT_ONCE)

    async def serve(self) -> None:
        """Answer until the connection ends."""
        async with asyncio.TaskGroup() as tasks:
            connection = Connection(
                send=self._send,
                hang_up=self._hang_up,
                address=self._address,
                tasks=tasks,
                sessions=self._sessions,
                grants=self._grants,
            )
            async for message in self._ws:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    await self._seats.acquire()
                    frame = message.data.encode() if message.type is WSMsgType.TEXT else message.data
                    if len(frame) > _LARGE_FRAME_BYTES:
                        await self._answer(frame, connection)
                    else:
                        tasks.create_task(self._answer(frame, connection), name="frame")
            connection.close()

    async def _answer(self, frame: bytes, connection: Connection) -> None:
        try:
            exchange = Exchange(connection)
            reply = await self._rpc.answer(frame, exchange)
            for early in exchange.before_batch:
                await self._send(early)
            if reply is not None:
                await self._send(reply)
            for follow_up in exchange.after_reply:
                follow_up()
        finally:
            self._seats.release()

    async def _send(self, frame: bytes) -> None:
        if not self._ws.closed:
            try:
                await self._ws.send_frame(frame, WSMsgType.TEXT)
            except ConnectionError:
                log.debug("peer left before its frame")

    async def _hang_up(self, why: str) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await self._ws.close(code=WSCloseCode.POLICY_VIOLATION, message=why.encode())
