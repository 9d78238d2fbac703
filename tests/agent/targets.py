"""Targets on loopback, each with one habit."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

Habit = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Target:
    """A listener; ``requests`` is what it was sent, a block of header bytes each, and ``peers`` from where."""

    def __init__(self, host: str, port: int) -> None:
        self._host = f"[{host}]" if ":" in host else host
        self.port = port
        self.requests: list[bytes] = []
        self.peers: list[str] = []
        self.asked = asyncio.Event()

    def url(self, path: str = "/") -> str:
        return f"http://{self._host}:{self.port}{path}"


@asynccontextmanager
async def open_target(
    *answers: bytes, keeps_open: bool = False, greeting: bytes = b"", host: str = "127.0.0.1"
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

    listener = await asyncio.start_server(serve, host, 0)
    target = Target(host, listener.sockets[0].getsockname()[1])
    async with listener:
        yield target


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
