"""Targets on loopback, each with one habit."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

Habit = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Target:
    """A listener; ``requests`` is what it was sent, a block of header bytes each, and ``peers`` from where."""

    def __init__(self, host: str, port: int, scheme: str) -> None:
        self._scheme = scheme
        self._host = f"[{host}]" if ":" in host else host
        self.port = port
        self.requests: list[bytes] = []
        self.peers: list[str] = []
        self.asked = asyncio.Event()

    def url(self, path: str = "/") -> str:
        return f"{self._scheme}://{self._host}:{self.port}{path}"


@asynccontextmanager
async def open_target(
    *answers: bytes,
    keeps_open: bool = False,
    greeting: bytes = b"",
    host: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Target]:
    """
    Sends ``greeting``, and answers the n-th request with the n-th of ``answers``, the last one again and again.

    Then it closes the connection, or with ``keeps_open`` waits for the peer to do so.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(greeting)
            target.requests.append(await reader.readuntil(b"\r\n\r\n"))
            target.peers.append(writer.get_extra_info("peername")[0])
            target.asked.set()
            if answers:
                writer.write(answers[min(len(target.requests), len(answers)) - 1])
            if keeps_open:
                await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, host, 0, ssl=tls)
    target = Target(host, listener.sockets[0].getsockname()[1], "http" if tls is None else "https")
    async with listener:
        yield target


@asynccontextmanager
async def open_tunnel(port: int) -> AsyncIterator[Target]:
    """A proxy that leads one CONNECT to ``port`` of loopback, until either side ends."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        proxy.requests.append(await reader.readuntil(b"\r\n\r\n"))
        there, back = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(_pass_on(reader, back), _pass_on(there, writer))
        ended.set()

    ended = asyncio.Event()
    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy = Target("127.0.0.1", listener.sockets[0].getsockname()[1], "http")
    async with listener:
        yield proxy
        await asyncio.wait_for(ended.wait(), 5)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


def ip_of(name: str, family: int) -> str | None:
    """The first address of the name that is of the IP version ``family``, by the system's resolver."""
    try:
        found = socket.getaddrinfo(name, 0, family=socket.AF_INET if family == 4 else socket.AF_INET6)
    except socket.gaierror:
        return None
    return str(found[0][4][0])


@contextmanager
def closed_port() -> Iterator[int]:
    """A port that refuses, since it is bound and nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@contextmanager
def full_backlog() -> Iterator[int]:
    """A port whose SYNs are dropped: the listener's queue is full and nobody accepts."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def reply(body: bytes = b"", *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
