"""
How a process of ours lives: on uvloop, until SIGTERM or SIGINT, then out in good order with exit code 0.

A second signal ends it at once. A service manager that watches is pinged from here, and told when the end begins; that
the work has begun is told by the verb, which knows.
"""

import asyncio
import gc
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import uvloop

from cli.readiness import open_watchdog, tell_stopping
from protocol.errors import Error

_SWITCH_INTERVAL_S = 0.0005
"""The store's thread asks for the interpreter a few times a commit; the default of 5 ms would be its whole time."""

_RESOLVER_THREADS = "64"
"""uvloop resolves names on libuv's threads: with the default of four, four slow names hold up all others."""


def live(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """
    Run ``main`` with the event that is set when the process should end.

    Raises:
        Error: ``main`` could not start or go on.
    """
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    _allow_many_sockets()
    os.environ.setdefault("UV_THREADPOOL_SIZE", _RESOLVER_THREADS)
    gc.freeze()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_until_signal(main))
    except* Error as group:
        raise _first(group) from None


def _allow_many_sockets() -> None:
    """A thousand agents are more than the usual soft limit; the hard one is there for those who ask: getrlimit(2)."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _until_signal(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask(number: signal.Signals) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()
        tell_stopping()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask, number)
    async with open_watchdog():
        await main(stop)


def _first(group: BaseExceptionGroup[Error]) -> Error:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


async def unless_stopped(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do the work; where ``stop`` is set before it is done, leave off."""
    working, stopping = asyncio.create_task(work, name="work"), asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
