"""
The phases of an HTTP exchange: where its time went. What a redirect takes is added to what went before.

``resolve`` a name, ``connect`` by TCP and through a proxy, ``tls``, ``processing`` from there to the headers of the
response, ``transfer`` of its body. One follows the other, so that together they take no longer than the exchange.
"""

import socket
import time
from collections.abc import Callable

from aiohttp.abc import ResolveResult
from aiohttp.resolver import ThreadedResolver


class Phases:
    """A stopwatch; ``transfer`` is told only by whoever reads a body."""

    def __init__(self, now_s: Callable[[], float] = time.perf_counter) -> None:
        self._now_s = now_s
        self._taken_s = {"resolve": 0.0, "connect": 0.0, "tls": 0.0}
        self._since_s = 0.0

    def begin(self) -> None:
        """A connection is wanted."""
        self._since_s = self._now_s()

    def end(self, phase: str) -> None:
        """What was done since the phase before is this one."""
        now_s = self._now_s()
        self._taken_s[phase] = self._taken_s.get(phase, 0.0) + now_s - self._since_s
        self._since_s = now_s

    def told(self) -> dict[str, dict[str, float]]:
        """What the detail says of them, in ms: nothing before there is a connection."""
        return {"phases_ms": {phase: taken_s * 1000 for phase, taken_s in self._taken_s.items()}}


class TimedResolver(ThreadedResolver):
    """The system's resolver, watched."""

    def __init__(self, phases: Phases) -> None:
        super().__init__()
        self._phases = phases

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of the name."""
        found = await super().resolve(host, port, family)
        self._phases.end("resolve")
        return found
