"""The command on a terminal: what it draws, a terminal that changes its size, and Ctrl-C."""

import asyncio
import fcntl
import os
import pty
import re
import struct
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.processes import ROOT_DIRECTORY, START_S


class Terminal:
    """A terminal of some size in which the command runs."""

    def __init__(self, master: int, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.shown = ""
        self._master = master

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    async def shows(self, pattern: str) -> None:
        """Wait until what is drawn from now on matches."""
        loop = asyncio.get_running_loop()
        self.shown = ""
        async with asyncio.timeout(START_S):
            while not re.search(pattern, self.shown, re.DOTALL):
                try:
                    self.shown += (await loop.run_in_executor(None, os.read, self._master, 65_536)).decode()
                except OSError:
                    pytest.fail(repr(self.shown))

    async def ends(self, limit_s: float) -> int:
        """Read on until it ends; its exit code."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(limit_s):
            with suppress(OSError):  # EIO: nobody has the other end any more
                while await loop.run_in_executor(None, os.read, self._master, 65_536):
                    pass
            return await self.process.wait()

    def interrupt(self) -> None:
        """Ctrl-C, as the terminal makes it a signal."""
        os.write(self._master, b"\x03")


@asynccontextmanager
async def open_terminal(*arguments: str, directory: Path, **environment: str) -> AsyncIterator[Terminal]:
    """``cronprobe`` with these arguments on a terminal of 24 lines of 120 columns."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = await asyncio.create_subprocess_exec(
        *("setsid", "--ctty", sys.executable, "-m", "cli", *arguments),
        cwd=directory,
        env={**inherited, "PYTHONPATH": str(ROOT_DIRECTORY), "TERM": "xterm", **environment},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    try:
        yield Terminal(master, process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        os.close(master)
