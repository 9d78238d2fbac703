"""
A shell on a pseudo-terminal, for one event loop: read, write, resize, and gone with all it started when left.

No thread and no blocking call: the master side is a file descriptor that the loop watches.
"""

import asyncio
import errno
import fcntl
import os
import shutil
import signal
import struct
import sys
import termios
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from agent.probes.child import Child

ROWS, COLUMNS = 24, 80
KILL_AFTER_S = 0.5
_READ_BYTES = 64 * 1024
# A session's leader has to take its terminal itself: tty_ioctl(4), TIOCSCTTY.
_TAKE_TERMINAL = "import fcntl,os,sys,termios; fcntl.ioctl(0,termios.TIOCSCTTY,0); os.execvp(sys.argv[1],sys.argv[1:])"


class PseudoTerminal:
    """The master side."""

    def __init__(self, master: int) -> None:
        self._master = master

    async def read(self) -> bytes:
        """What the shell wrote, 64 KiB at most; empty when nobody is left who could write."""
        chunks: list[bytes] = []
        size = 0
        while size < _READ_BYTES:
            try:
                chunk = os.read(self._master, _READ_BYTES - size)
            except BlockingIOError:
                if chunks:
                    break
                await self._wait(asyncio.get_running_loop().add_reader, asyncio.get_running_loop().remove_reader)
                continue
            except OSError as e:
                if e.errno != errno.EIO:  # the slave side is closed: pty(7)
                    raise
                break
            if not chunk:
                break
            chunks.append(chunk)
            size += len(chunk)
        return b"".join(chunks)

    async def write(self, data: bytes) -> None:
        """Input for the shell; waits while it does not read."""
        while data:
            try:
                data = data[os.write(self._master, data) :]
            except BlockingIOError:
                await self._wait(asyncio.get_running_loop().add_writer, asyncio.get_running_loop().remove_writer)

    def resize(self, rows: int, columns: int) -> None:
        """Change the window, 1 to 65535 each; what is outside is cut to that."""
        size = struct.pack("HHHH", *(min(max(side, 1), 65535) for side in (rows, columns)), 0, 0)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    async def _wait(self, watch: Callable[..., Any], forget: Callable[[int], Any]) -> None:
        ready = asyncio.Event()
        watch(self._master, ready.set)
        try:
            await ready.wait()
        finally:
            forget(self._master)


@asynccontextmanager
async def open_terminal(shell: str | None) -> AsyncIterator[PseudoTerminal]:
    """
    ``shell``, or bash, or sh, on a new terminal; on leaving, its process groups are ended.

    Raises:
        OSError: there is no terminal or no such shell.
    """
    master, slave = os.openpty()
    try:
        os.set_blocking(master, False)
        terminal = PseudoTerminal(master)
        terminal.resize(ROWS, COLUMNS)
        try:
            child = Child(
                [sys.executable, "-I", "-S", "-c", _TAKE_TERMINAL, _shell(shell)],
                stdin=slave,
                stdout=slave,
                stderr=slave,
                env={**os.environ, "TERM": "xterm-256color"},
            )
        finally:
            os.close(slave)
        try:
            yield terminal
        finally:
            await _end(child, master)
    finally:
        os.close(master)


def _shell(wanted: str | None) -> str:
    found = shutil.which(wanted) if wanted else shutil.which("/bin/bash") or shutil.which("sh")
    if found is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), wanted or "sh")
    return found


async def _end(child: Child, master: int) -> None:
    """Hang up as a lost line does; a shell passes that on to its jobs. Then kill what did not listen."""
    foreground = child.pid
    with suppress(OSError):
        foreground = os.tcgetpgrp(master)
    for number in (signal.SIGHUP, signal.SIGCONT):
        _signal(child, foreground, number)
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(KILL_AFTER_S):
                await child.wait()
    finally:
        _signal(child, foreground, signal.SIGKILL)
    await child.wait()


def _signal(child: Child, foreground: int, number: signal.Signals) -> None:
    child.signal_group(number)
    if foreground > 0 and foreground != child.pid:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(foreground, number)
