"""
Debian's PostgreSQL for tests: a cluster of its own on a free port of loopback, and a database for each test.

As root it runs as the user ``postgres``, because it refuses root. It never waits for a disk: what is tested here is not
whether PostgreSQL is durable.
"""

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

from server.store import open_store

PASSWORD = "p@ss/w0rd"
PASSWORD_IN_URL = "p%40ss%2Fw0rd"
TEMPLATE = "template_of_tests"
START_S, STOP_S = 30, 30
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "60",
    "shared_buffers": "32MB",
}


def programs() -> Path | None:
    """Where Debian puts the server's programs; ``None`` when it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    return found[-1].parent if found else None


class Cluster:
    """A running PostgreSQL whose superuser ``postgres`` has ``PASSWORD``."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self.port = port
        self._made = 0

    def url(self, database: str) -> str:
        """The store's URL of a database."""
        return f"postgresql+asyncpg://postgres:{PASSWORD_IN_URL}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """The name of a new database, which has the tables already."""
        if not self._made:
            self.run(self._make_template())
        self._made += 1
        name = f"test_{self._made}"
        self.run(self.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}"))
        return name

    async def _make_template(self) -> None:
        await self.execute(f"CREATE DATABASE {TEMPLATE}")
        async with open_store(self.url(TEMPLATE)):
            pass

    async def execute(self, query: str, *arguments: Any, database: str = "postgres") -> None:
        """Run a statement of our own."""
        async with self.connect(database) as connection:
            await connection.execute(query, *arguments)

    @asynccontextmanager
    async def connect(self, database: str = "postgres") -> AsyncIterator[Any]:
        """A connection of our own."""
        connection = await asyncpg.connect(
            host="127.0.0.1", port=self.port, user="postgres", password=PASSWORD, database=database, timeout=START_S
        )
        try:
            yield connection
        finally:
            await connection.close(timeout=STOP_S)

    async def cut_off(self, database: str) -> int:
        """Terminate whatever is connected to the database; how many connections that were."""
        query = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = $1"
        async with self.connect() as connection:
            count: int = await connection.fetchval(query, database)
            return count

    def start(self) -> None:
        """Start it; it takes connections."""
        self._control("start", "-t", str(START_S), "-l", str(self._folder / "log"))

    def stop(self) -> None:
        """Stop it, and cut off whoever is connected."""
        self._control("stop", "-t", str(STOP_S), "-m", "fast")

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Outside of a loop of the caller's."""
        with asyncio.Runner() as runner:
            runner.run(coroutine)

    def _control(self, *arguments: str) -> None:
        _run("pg_ctl", "-D", str(self._folder / "cluster"), "-w", *arguments)


class Database(NamedTuple):
    """A database of a test's own."""

    cluster: Cluster
    name: str

    @property
    def url(self) -> str:
        return self.cluster.url(self.name)

    async def parts(self) -> dict[str, int]:
        """How many rows there are in each part of the task table that has any."""
        async with self.cluster.connect(self.name) as connection:
            return dict(await connection.fetch("SELECT tableoid::regclass::text, count(*) FROM task GROUP BY 1"))


@contextmanager
def open_cluster() -> Iterator[Cluster]:
    """A cluster that lives as long as this is open."""
    with tempfile.TemporaryDirectory(prefix="cronprobe-postgres-") as name:
        folder = Path(name)
        password = folder / "password"
        password.write_text(PASSWORD)
        if os.getuid() == 0:
            for path in (folder, password):
                shutil.chown(path, "postgres")
        login = ("-U", "postgres", "-A", "scram-sha-256", f"--pwfile={password}")
        _run("initdb", "-D", str(folder / "cluster"), *login, "--locale=C.UTF-8", "--no-sync")
        cluster = Cluster(folder, _free_port())
        settings = {**_SETTINGS, "port": str(cluster.port)}
        with (folder / "cluster" / "postgresql.conf").open("a") as file:
            file.writelines(f"{key} = '{value}'\n" for key, value in settings.items())
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()


@cache
def _as_user() -> Sequence[str]:
    return ("runuser", "-u", "postgres", "--") if os.getuid() == 0 else ()


def _run(program: str, *arguments: str) -> None:
    folder = programs()
    assert folder is not None
    command = [*_as_user(), str(folder / program), *arguments]
    done = subprocess.run(command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port: int = holder.getsockname()[1]
        return port
