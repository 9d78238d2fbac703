"""
``execute``: a program with its arguments, without a shell, in a process group of its own; its output as text.

Output beyond the limit is read and dropped, so that a program that says too much goes on and memory stays small.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from agent.probes.child import Child
from agent.probes.interface import Ending, Failed, Found
from protocol.outcomes import Reason
from protocol.tasks.execute import Execute

KILL_AFTER_S = 2.0
_REAP_LIMIT_S = 1.0
_CANNOT_START = "Other error: Other error: Command execution failed"


class _Output(asyncio.Protocol):
    """The first ``most_bytes`` that came out of a pipe; ``ended`` at its end."""

    def __init__(self, most_bytes: int) -> None:
        self.kept = bytearray()
        self.ended = asyncio.Event()
        self._most_bytes = most_bytes

    def data_received(self, data: bytes) -> None:
        self.kept += data[: self._most_bytes - len(self.kept)]

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 the name is asyncio's
        self.ended.set()


class Program:
    """A program that runs as the leader of its process group; its standard input is the agent's own."""

    def __init__(self, most_bytes: int) -> None:
        self.outputs = [_Output(most_bytes), _Output(most_bytes)]
        self._pipes: list[asyncio.ReadTransport] = []
        self._child: Child | None = None

    async def start(self, execute: Execute) -> None:
        """
        Start it.

        Raises:
            OSError, ValueError: it cannot be started.
        """
        writers = []
        try:
            for output in self.outputs:
                reader, writer = os.pipe()
                writers.append(writer)
                await self._read(reader, output)
            self._child = Child([execute.cmd, *execute.args], stdout=writers[0], stderr=writers[1])
        except BaseException:
            self.let_go()
            raise
        finally:
            for writer in writers:
                os.close(writer)

    async def _read(self, reader: int, output: _Output) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: output, os.fdopen(reader, "rb", 0))
        self._pipes.append(transport)

    async def end(self) -> int:
        """Wait until it is gone and nobody holds its outputs; its exit code, negative for a signal."""
        assert self._child is not None  # noqa: S101 it was started
        code = await self._child.wait()
        for output in self.outputs:
            await output.ended.wait()
        self.let_go()
        return code

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the group, or what is left of it."""
        if self._child is not None:
            self._child.signal_group(number)

    async def kill(self) -> None:
        """End the group now. Whoever left the group may keep the outputs, and we let go of them."""
        self.signal(signal.SIGKILL)
        self.let_go()
        if self._child is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_REAP_LIMIT_S):
                    await self.end()

    def let_go(self) -> None:
        """Close our side of the pipes."""
        for pipe in self._pipes:
            pipe.close()


class Programs:
    """The programs that outlive their time: they have a moment to end in good order."""

    def __init__(self) -> None:
        self._ending: dict[asyncio.Task[None], Program] = {}

    def terminate(self, program: Program) -> None:
        """Ask the group to end, and kill what is left of it a little later."""
        program.signal(signal.SIGTERM)
        ending = asyncio.create_task(_kill_later(program), name="end of a program")
        self._ending[ending] = program
        ending.add_done_callback(self._ending.pop)

    async def stop(self) -> None:
        """Kill them now."""
        ending = dict(self._ending)
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, *(program.kill() for program in ending.values()), return_exceptions=True)


async def _kill_later(program: Program) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(KILL_AFTER_S):
            await program.end()
    await program.kill()


@asynccontextmanager
async def open_programs() -> AsyncIterator[Programs]:
    """Whatever is still there on leaving is killed."""
    programs = Programs()
    try:
        yield programs
    finally:
        await programs.stop()


async def probe(execute: Execute, *, programs: Programs, limit_s: float, most_bytes: int) -> Ending:
    """What the program said; any exit code is a success. ``most_bytes`` bounds each output, and the whole text."""
    if not execute.cmd.strip():
        return Failed(Reason.PROBE_ERROR, "Other error: Invalid input: Execute command cannot be empty")
    program = Program(most_bytes)
    try:
        await program.start(execute)
    except (OSError, ValueError):
        return Failed(Reason.PROBE_ERROR, _CANNOT_START)
    try:
        async with asyncio.timeout(limit_s):
            code = await program.end()
    except TimeoutError:
        programs.terminate(program)
        return Failed(Reason.TIMEOUT, f"Other error: Other error: Execution timed out (Limit: {limit_s:g}s)")
    except asyncio.CancelledError:
        await program.kill()
        raise
    stdout, stderr = (bytes(output.kept) for output in program.outputs)
    return Found(compose(stdout, stderr, code, most_bytes))


def compose(stdout: bytes, stderr: bytes, code: int, most_bytes: int) -> str:
    """Both outputs and the exit code as one text; a negative ``code`` is a signal."""
    parts = [part for part in (stdout.decode(errors="replace"), stderr.decode(errors="replace")) if part]
    text = "\n--- STDERR ---\n".join(parts) or "(No Output)"
    if code != 0:
        text += f"\n\n[Process exited with code {max(code, -1)}]"
    whole = text.encode()
    if len(whole) <= most_bytes:
        return text
    half = most_bytes // 2
    head, tail = whole[:half].decode(errors="ignore"), whole[len(whole) - (most_bytes - half) :].decode(errors="ignore")
    omitted = len(whole) - len(head.encode()) - len(tail.encode())
    return f"{head}\n[... Output truncated, {omitted} bytes omitted (original {len(whole)} bytes) ...]\n{tail}"
