"""
The command as people run it: real processes over loopback.

A process is stopped by its own handle, never by name. Every wait has a deadline.
"""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp

from tests.fakes import Caller

ROOT_DIRECTORY = Path(__file__).parents[1]
ROOT = "rootkey:0123456789abcdef0123456789abcdef"
START_S = 15.0


class Process:
    """A running ``cronprobe`` and what it has said so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.output = ""
        self._news = asyncio.Event()
        self._readers = [asyncio.create_task(self._read(stream)) for stream in (process.stdout, process.stderr)]

    async def _read(self, stream: asyncio.StreamReader | None) -> None:
        assert stream is not None
        while chunk := await stream.read(65_536):
            self.output += chunk.decode(errors="replace")
            self._news.set()
        self._news.set()

    async def says(self, pattern: str) -> re.Match[str]:
        """Wait until the output matches."""
        async with asyncio.timeout(START_S):
            while not (found := re.search(pattern, self.output)):
                assert self.process.returncode is None, self.output
                self._news.clear()
                await self._news.wait()
        return found

    def type(self, text: str) -> None:
        """What a person types, for a process that is typed at."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())

    async def exit(self) -> int:
        """Wait until it ends; its exit code."""
        async with asyncio.timeout(START_S):
            code = await self.process.wait()
            await asyncio.gather(*self._readers)
        return code

    async def stop(self) -> float:
        """Ask it to end; how many seconds it took. It must have ended well."""
        start = asyncio.get_running_loop().time()
        self.process.send_signal(signal.SIGTERM)
        code = await self.exit()
        assert code == 0, f"exit code {code}\n{self.output}"
        return asyncio.get_running_loop().time() - start

    async def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        await self.exit()


@asynccontextmanager
async def run(
    *arguments: str | Path,
    directory: Path,
    is_typed_at: bool = False,
    under: Sequence[str] = (),
    **environment: str,
) -> AsyncIterator[Process]:
    """
    ``cronprobe`` with these arguments, in the directory; killed on leaving if it still runs.

    ``under`` is a command that starts it, such as one that takes its rights away.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("CRONPROBE_") and name != "PYTHONDONTWRITEBYTECODE"  # starts would take twice as long
    }
    process = Process(
        await asyncio.create_subprocess_exec(
            *under,
            sys.executable,
            "-m",
            "cli",
            *map(str, arguments),
            cwd=directory,
            env={**inherited, "PYTHONPATH": str(ROOT_DIRECTORY), "NO_COLOR": "1", **environment},
            stdin=asyncio.subprocess.PIPE if is_typed_at else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    )
    try:
        yield process
    finally:
        if process.process.returncode is None:
            await process.kill()
        else:
            await process.exit()


async def say(
    *arguments: str | Path, directory: Path, under: Sequence[str] = (), **environment: str
) -> tuple[int, str]:
    """Run a command to its end; its exit code and all it said."""
    async with run(*arguments, directory=directory, under=under, **environment) as process:
        return await process.exit(), process.output


class ServerProcess(NamedTuple):
    """A server that listens."""

    process: Process
    url: str
    port: int
    uuid: str


@asynccontextmanager
async def run_server(state_dir: Path, *, port: int = 0, store: str | None = None) -> AsyncIterator[ServerProcess]:
    """A server on loopback that listens; ``store`` is the URL of its store, ``None`` for SQLite in the directory."""
    arguments = ("server", "--listen", f"127.0.0.1:{port}", "--state-dir", state_dir)
    settings = {"CRONPROBE_ROOT_TOKEN": ROOT, **({} if store is None else {"CRONPROBE_STORE": store})}
    async with run(*arguments, directory=state_dir.parent, **settings) as process:
        found = await process.says(r"server +(http://127\.0\.0\.1:(\d+)) +\(UUID ([0-9a-f-]{36})\)")
        yield ServerProcess(process, found[1], int(found[2]), found[3])


def agent_config(directory: Path, *, name: str, uuid: str, server_uuid: str, token: str, url: str) -> Path:
    """The TOML file of an agent that may do the four probes."""
    file = directory / f"{name}.toml"
    file.write_text(
        f'agent_uuid = "{uuid}"\n'
        "[[server]]\n"
        f'name = "here"\nserver_uuid = "{server_uuid}"\ntoken = "{token}"\nws_url = "{url.replace("http", "ws")}"\n'
        "allow_task = true\n"
        'allow_task_type = ["ping", "tcp_ping", "http_ping", "http_request"]\n'
    )
    return file


def agent_token_limits(uuid: str) -> Sequence[object]:
    """What an agent may do."""
    return [{"scopes": [{"agent_uuid": uuid}], "permissions": [{"task": "listen"}, {"task": {"write": "*"}}]}]


@asynccontextmanager
async def call(url: str, token: str = ROOT) -> AsyncIterator[Caller]:
    """A caller of the server at the URL."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as http:
        yield Caller(http, url, token)
