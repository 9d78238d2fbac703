"""
Results as they are stored: a subscription over a WebSocket, opened again when the connection is lost.

What is stored while there is no connection is not told; who follows asks for it in ``on_open``.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Never

import aiohttp
import msgspec
from aiohttp import WSMsgType
from msgspec import Raw, Struct

from cli.client import Client, ServerUnreachable, result_of, unreachable

_METHOD = "task_subscribe_results"
_ANSWER_LIMIT_S = 10.0
_LONGEST_PAUSE_S = 15.0
_PING_S = 20.0


class _Told(Struct, frozen=True):
    result: list[Raw] = []


class _Notification(Struct, frozen=True):
    params: _Told = _Told()


async def follow(
    client: Client,
    conditions: Sequence[object],
    *,
    on_open: Callable[[], Awaitable[None]],
    on_rows: Callable[[Sequence[Raw]], None],
    on_lost: Callable[[str], None],
) -> Never:
    """
    Tell ``on_rows`` of every row that ends and matches, each as its JSON, until cancelled.

    ``on_open`` is awaited each time the subscription holds; rows that come meanwhile wait. ``on_lost`` hears why a
    connection ended, and that it is tried again.

    Raises:
        ServerUnreachable: there was no connection at first.
        CallRefused: the token may not follow, or no longer.
    """
    client.need_url()
    pause_s = 0.0
    async with aiohttp.ClientSession() as session:
        while True:
            try:
                async with _subscribed(session, client, conditions) as web_socket:
                    await on_open()
                    pause_s = 0.5
                    why = await _receive(web_socket, on_rows)
            except ServerUnreachable as e:
                if not pause_s:
                    raise
                why, pause_s = str(e), min(2 * pause_s, _LONGEST_PAUSE_S)
            on_lost(f"{why}; trying again in {pause_s:g} s")
            await asyncio.sleep(pause_s)


@asynccontextmanager
async def _subscribed(
    session: aiohttp.ClientSession, client: Client, conditions: Sequence[object]
) -> AsyncIterator[aiohttp.ClientWebSocketResponse[Any]]:
    call = client.frame(_METHOD, {"task_data_query": {"condition": conditions, "detail": True}})
    try:
        async with asyncio.timeout(_ANSWER_LIMIT_S):
            web_socket = await session.ws_connect(client.url, max_msg_size=0, heartbeat=_PING_S)
            await web_socket.send_str(call.decode())
            reply = await web_socket.receive_str()
    except TimeoutError as e:
        raise ServerUnreachable(f"{client.url}: no answer within {_ANSWER_LIMIT_S:g} s; is the server busy?") from e
    except (aiohttp.ClientError, TypeError) as e:  # a TypeError of receive_str's: it was closed instead
        raise unreachable(client.url, e) from e
    try:
        result_of(_METHOD, reply.encode())
        yield web_socket
    finally:
        await web_socket.close()


async def _receive(web_socket: aiohttp.ClientWebSocketResponse[Any], on_rows: Callable[[Sequence[Raw]], None]) -> str:
    """Rows until the connection ends; gives the reason."""
    async for message in web_socket:
        if message.type is WSMsgType.TEXT:
            on_rows(msgspec.json.decode(message.data, type=_Notification).params.result)
    return f"the server closed the connection (code {web_socket.close_code})"
