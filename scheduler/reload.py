"""
Loads job files again: when they change, when a signal says so, when somebody asks.

Everything is read and found free of mistakes before anything is swapped. A file with a mistake changes nothing. The
directories of the files are watched rather than the files, because editors and configuration mounts put a new file in
the place of the old one; and every few seconds the files are looked at without being told to, because no watch sees
what is behind a link, a directory that was put in the place of another, or what a remote file system changes.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from watchfiles import awatch

from scheduler.jobfile import JobFileError, fingerprint, load
from scheduler.jobs import JobFile

SETTLE_MS = 200
LOOK_S = 5
_log = structlog.get_logger()


class Reloader:
    """Hands what was loaded to ``on_loaded``, and says ``on_failed`` when nothing could be."""

    def __init__(
        self, paths: Sequence[Path], *, on_loaded: Callable[[JobFile], None], on_failed: Callable[[], None]
    ) -> None:
        self._paths = paths
        self._on_loaded = on_loaded
        self._on_failed = on_failed
        self._one_at_a_time = asyncio.Lock()
        self._seen = fingerprint(paths)
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Load soon, for whoever cannot wait, such as a signal."""
        self._asked.set()

    async def reload(self) -> list[str]:
        """Load now; the mistakes that kept it from it, sorted by place."""
        async with self._one_at_a_time:
            return await self._load()

    async def reload_if_changed(self) -> None:
        """Load when the text of the files is not what it was."""
        async with self._one_at_a_time:
            if await asyncio.to_thread(fingerprint, self._paths) != self._seen:
                await self._load()

    async def _load(self) -> list[str]:
        self._seen = await asyncio.to_thread(fingerprint, self._paths)
        try:
            jobs = await asyncio.to_thread(load, self._paths)
        except JobFileError as e:
            self._on_failed()
            for mistake in e.mistakes:
                _log.error("job file not loaded; the old jobs go on", mistake=str(mistake))
            return [str(mistake) for mistake in e.mistakes]
        self._on_loaded(jobs)
        _log.info("job file loaded", jobs=len(jobs.jobs))
        return []

    async def run_asked(self) -> None:
        """Load whenever ``ask`` was called, until cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            await self.reload()

    async def watch(self) -> None:
        """Load whenever the files change, until cancelled."""
        try:
            async for _changes in awatch(
                *{path if path.is_dir() else path.parent for path in self._paths},
                recursive=False,
                debounce=SETTLE_MS,
                watch_filter=None,
                rust_timeout=LOOK_S * 1_000,
                yield_on_timeout=True,
            ):
                await self.reload_if_changed()
        except (OSError, RuntimeError) as e:  # RuntimeError: what watchfiles makes of a system that cannot watch
            _log.warning("job files are not watched, but looked at every few seconds", seconds=LOOK_S, why=str(e))
        while True:
            await asyncio.sleep(LOOK_S)
            await self.reload_if_changed()


@asynccontextmanager
async def open_reloader(
    paths: Sequence[Path], *, on_loaded: Callable[[JobFile], None], on_failed: Callable[[], None]
) -> AsyncIterator[Reloader]:
    """A reloader that watches ``paths`` until this is left."""
    reloader = Reloader(paths, on_loaded=on_loaded, on_failed=on_failed)
    async with asyncio.TaskGroup() as group:
        running = [
            group.create_task(reloader.watch(), name="job file watch"),
            group.create_task(reloader.run_asked(), name="job file reload"),
        ]
        try:
            yield reloader
        finally:
            for task in running:
                task.cancel()
