"""
A child process that leads a session of its own, waited for through its pidfd.

Not by asyncio's subprocesses: uvloop hands their pipes on to whatever the child starts, so that their end never comes.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress


class Child:
    """
    Started at once, which takes the loop a millisecond; descriptors that are ``None`` are the agent's own.

    Raises:
        OSError, ValueError: it cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        stdin: int | None = None,
        stdout: int,
        stderr: int,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._process = subprocess.Popen(  # noqa: S603 that is what the task asks for
            command, stdin=stdin, stdout=stdout, stderr=stderr, env=env, start_new_session=True
        )
        self._has_ended = asyncio.Event()
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except OSError:
            self._process.kill()
            self._process.wait()
            raise
        asyncio.get_running_loop().add_reader(self._pidfd, self._ended)

    @property
    def pid(self) -> int:
        """The process's id, which is that of its group and session too."""
        return self._process.pid

    def _ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._process.wait()
        self._has_ended.set()

    async def wait(self) -> int:
        """Wait until it is gone; its exit code, negative for a signal."""
        await self._has_ended.wait()
        return self._process.returncode

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to its group, or what is left of it."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)
