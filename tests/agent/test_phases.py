"""Where the time of an HTTP exchange goes: a target that takes its time in one phase shows it in that one alone."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from tests.agent.certificates import Certificate
from tests.agent.targets import open_target, open_tunnel, reply
from tests.agent.test_http_options import BOTH, REDIRECT, detail_of, probe

PAUSE_S = 0.1
PAUSE_MS = PAUSE_S * 1000
OF_PING = ["resolve", "connect", "tls", "processing"]
OF_REQUEST = [*OF_PING, "transfer"]


@asynccontextmanager
async def open_slow_target(slow: str, tls: ssl.SSLContext | None) -> AsyncIterator[str]:
    """The URL of a target that pauses before it goes on with the phase ``slow``."""

    async def pause(phase: str) -> None:
        await asyncio.sleep(PAUSE_S if phase == slow else 0)

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        connection, _ = await loop.sock_accept(listener)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await pause("tls")
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection, ssl=tls)
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        with suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            await pause("processing")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
            await pause("transfer")
            writer.write(b"ok")
            writer.close()
            await writer.wait_closed()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        serving = asyncio.create_task(serve())
        yield f"{'http' if tls is None else 'https'}://127.0.0.1:{listener.getsockname()[1]}/"
        await asyncio.wait_for(serving, 5)


def phases_of(detail: dict[str, Any]) -> dict[str, float]:
    phases: dict[str, float] = detail["phases_ms"]
    assert all(taken_ms >= 0 for taken_ms in phases.values())
    assert sum(phases.values()) <= detail["duration_ms"]
    return phases


@BOTH
@pytest.mark.parametrize("slow", ["tls", "processing", "transfer"])
async def test_a_slow_phase_shows_in_itself_alone(name: str, slow: str, named: Certificate) -> None:
    async with open_slow_target(slow, named.context) as url:
        phases = phases_of(detail_of(await probe(name, url, verify_tls=False)))
    assert list(phases) == (OF_PING if name == "http_ping" else OF_REQUEST)
    assert phases["resolve"] == 0
    assert phases["connect"] > 0
    assert phases["tls"] > 0
    for phase, taken_ms in phases.items():
        assert (taken_ms >= 0.9 * PAUSE_MS) == (phase == slow), phases


@BOTH
async def test_without_tls_there_is_no_time_for_it(name: str) -> None:
    async with open_slow_target("processing", None) as url:
        phases = phases_of(detail_of(await probe(name, url.replace("127.0.0.1", "localhost"), family=4)))
    assert phases["tls"] == 0
    assert phases["resolve"] > 0
    assert phases["processing"] >= 0.9 * PAUSE_MS > phases["connect"]


@BOTH
async def test_tls_through_a_proxy_is_told_apart_from_the_way_to_it(name: str, named: Certificate) -> None:
    async with open_slow_target("tls", named.context) as url, open_tunnel(int(url.split(":")[2][:-1])) as proxy:
        detail = detail_of(await probe(name, url, verify_tls=False, proxy=proxy.url()))
    phases = phases_of(detail)
    assert phases["tls"] >= 0.9 * PAUSE_MS > phases["connect"] > 0


async def test_the_phases_of_redirects_add_up() -> None:
    async with open_target(REDIRECT, REDIRECT, reply()) as target:
        phases_of(detail_of(await probe("http_ping", target.url(), follow_redirects=True)))
    assert len(target.requests) == 3
