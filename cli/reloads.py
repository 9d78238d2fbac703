"""How a process that runs a scheduler takes changed job files: it watches them, and it takes SIGHUP."""

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from scheduler.app import Scheduler
from scheduler.reload import Reloader, open_reloader


@asynccontextmanager
async def open_reloads(files: Sequence[Path], scheduler: Scheduler) -> AsyncIterator[Reloader]:
    """Let ``scheduler`` have what ``files`` say, until this is left."""
    loop = asyncio.get_running_loop()
    async with open_reloader(files, on_loaded=scheduler.load, on_failed=scheduler.load_failed) as reloader:
        loop.add_signal_handler(signal.SIGHUP, reloader.ask)
        try:
            yield reloader
        finally:
            loop.remove_signal_handler(signal.SIGHUP)
