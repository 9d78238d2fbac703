"""
What a process of ours tells the service manager that started it, by datagrams as sd_notify(3) describes them.

Nothing is said where ``NOTIFY_SOCKET`` is not set. A manager that cannot be told is a warning, never an end: the
process does its work either way.
"""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog

log = structlog.get_logger()

_PINGS_A_LIMIT = 3
"""systemd advises two; with three, one that is late does no harm."""


def tell_ready(status: str) -> None:
    """The work has begun, or goes on after a reload; ``status`` is what ``systemctl status`` shows."""
    _tell("READY=1", f"STATUS={status}")


def tell_reloading() -> None:
    """Job files are read anew; ``tell_ready`` says when that is over."""
    _tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", "STATUS=reads the job files")


def tell_stopping() -> None:
    """The end has begun."""
    _tell("STOPPING=1", "STATUS=stops")


@asynccontextmanager
async def open_watchdog() -> AsyncIterator[None]:
    """Ping the manager, where it asks for that, as long as the event loop turns and this is open."""
    limit_s = _watchdog_limit_s()
    if limit_s is None:
        yield
        return
    pinging = asyncio.create_task(_ping(limit_s / _PINGS_A_LIMIT), name="watchdog")
    try:
        yield
    finally:
        pinging.cancel()
        with suppress(asyncio.CancelledError):
            await pinging


async def _ping(period_s: float) -> None:
    while True:
        _tell("WATCHDOG=1")
        await asyncio.sleep(period_s)


def _watchdog_limit_s() -> float | None:
    """How long the manager waits for a ping; ``None`` when it waits for none of this process."""
    limit_us = os.environ.get("WATCHDOG_USEC", "")
    is_ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(limit_us) / 1e6 if is_ours and limit_us.isdecimal() and int(limit_us) > 0 else None


def _tell(*lines: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # Linux's abstract namespace, as unix(7) writes it
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.setblocking(False)
            manager.sendto("\n".join(lines).encode(), address)
    except OSError as e:
        log.warning("service manager not told", said=lines[0], why=str(e))
