"""How a process that runs a scheduler takes changed job files: it watches them, and it takes SIGHUP."""

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from cli.readiness import tell_ready, tell_reloading
from scheduler.app import Scheduler
from scheduler.jobs import JobFile
from scheduler.reload import Reloader, open_reloader


@asynccontextmanager
async def open_reloads(files: Sequence[Path], scheduler: Scheduler) -> AsyncIterator[Reloader]:
    """
    Let ``scheduler`` have what ``files`` say, until this is left.

    Whatever else the process has to do is open by now, so it is from here that it is told to be ready.
    """
    loop = asyncio.get_running_loop()

    def load(jobs: JobFile) -> None:
        scheduler.load(jobs)
        tell_ready(f"fires {scheduler.schedules} schedules")

    def load_failed() -> None:
        scheduler.load_failed()
        tell_ready(f"job files have mistakes; fires {scheduler.schedules} old schedules")

    async with open_reloader(files, on_loaded=load, on_failed=load_failed) as reloader:

        def ask() -> None:
            tell_reloading()
            reloader.ask()

        loop.add_signal_handler(signal.SIGHUP, ask)
        tell_ready(f"fires {scheduler.schedules} schedules")
        try:
            yield reloader
        finally:
            loop.remove_signal_handler(signal.SIGHUP)
