"""
Where the server is put together, from the cellar up: store, writer, tasks, methods, door.

Leaving goes the other way: the door closes, the writer commits what waits, the store is let go.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import structlog
from msgspec import Struct
from prometheus_client import CollectorRegistry

from protocol.errors import ConfigError, CredentialMalformed, StartError
from server.agents import Agents
from server.auth import Auth, Credential, make_credential, split_credential
from server.clock import now_ms
from server.config import Config
from server.deadlines import Deadlines
from server.http import Door, open_door
from server.methods import agent, nodeget_server, table
from server.methods.task import TaskMethods
from server.methods.token import TokenMethods
from server.metrics.agents import AgentMetrics
from server.metrics.own import OwnMetrics
from server.metrics.probes import ProbeMetrics
from server.results import Results
from server.rpc import Rpc
from server.running import RunningTask, RunningTasks
from server.series import SeriesBook
from server.sessions import Sessions
from server.store import open_store
from server.store.interface import Store
from server.task_ids import TaskIds
from server.tasks import Tasks
from server.writer import Writer

log = structlog.get_logger()


class Server(Struct, frozen=True):
    """
    A running server, as the process that holds it sees it.

    ``new_root_token`` is ``None`` unless this start made one.
    """

    port: int
    uuid: str
    auth: Auth
    tasks: Tasks
    results: Results
    root_token_file: Path
    new_root_token: Credential | None


@asynccontextmanager
async def open_server(config: Config, *, registry: CollectorRegistry) -> AsyncIterator[Server]:
    """
    Serve until left.

    Raises:
        ConfigError: the root token or the store's URL is malformed.
        StartError: the store, the state directory or the address cannot be used.
    """
    metrics = OwnMetrics(registry)
    _make_state_dir(config.state_dir)
    async with open_store(config.store) as store, asyncio.TaskGroup() as eternal:
        writer = Writer(store=store, metrics=metrics)
        writing = eternal.create_task(writer.run(), name="writer")
        try:
            async with _serve(config, store, writer, metrics, registry) as server:
                yield server
        finally:
            writing.cancel()


@asynccontextmanager
async def _serve(
    config: Config, store: Store, writer: Writer, metrics: OwnMetrics, registry: CollectorRegistry
) -> AsyncIterator[Server]:
    server_uuid = await store.setting("server_uuid", str(uuid4()))
    auth = Auth(writer=writer, now_ms=now_ms)
    auth.load(await store.tokens())
    token_file = config.state_dir / "root-token"
    new_root = await _settle_root(auth, config.root_token, token_file)

    probes = ProbeMetrics()
    running = RunningTasks()
    sessions = Sessions(metrics=metrics)
    for uuid, name in await store.agents():
        sessions.name(uuid, name)
    agents = Agents(sessions=sessions, running=running)
    AgentMetrics(states=agents.states, registry=registry)
    results = Results(running=running, sessions=sessions, writer=writer, store=store, metrics=metrics, now_ms=now_ms)
    deadlines = Deadlines(running=running, results=results, now_ms=now_ms)
    tasks = Tasks(
        ids=TaskIds(writer),
        series=SeriesBook(writer=writer, sessions=sessions, probes=probes),
        sessions=sessions,
        running=running,
        deadlines=deadlines,
        results=results,
        writer=writer,
        now_ms=now_ms,
    )
    tasks.resume(await store.running())
    task_methods = TaskMethods(
        auth=auth,
        tasks=tasks,
        results=results,
        sessions=sessions,
        running=running,
        store=store,
        writer=writer,
        outbox_size=config.outbox_size,
        on_sent=_stamp(metrics, now_ms),
    )
    methods = table(
        nodeget_server.methods(server_uuid=server_uuid),
        task_methods.methods(),
        agent.methods(auth=auth, agents=agents),
        TokenMethods(auth=auth).methods(),
    )
    door = Door(
        rpc=Rpc(methods=methods, metrics=metrics),
        sessions=sessions,
        probes=probes,
        registry=registry,
        server_uuid=server_uuid,
        is_ready=metrics.is_store_up,
    )
    async with asyncio.TaskGroup() as eternal:
        watching = eternal.create_task(deadlines.run(), name="deadlines")
        try:
            async with open_door(door, host=config.host, port=config.port) as port:
                log.info("listening", host=config.host, port=port, server_uuid=server_uuid, running=len(running))
                yield Server(port, server_uuid, auth, tasks, results, token_file, new_root)
        finally:
            watching.cancel()


def _stamp(metrics: OwnMetrics, clock: Callable[[], int]) -> Callable[[Sequence[RunningTask]], None]:
    """What is done with tasks that were handed to their connection."""

    def on_sent(tasks: Sequence[RunningTask]) -> None:
        now = clock()
        for task in tasks:
            task.sent_ms = now
        metrics.dispatch_seconds.observe(max(0, now - tasks[0].created_ms) / 1000, len(tasks))

    return on_sent


def _make_state_dir(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as e:
        raise StartError(f"--state-dir {path}: {e.strerror}; choose a directory that can be written") from e


async def _settle_root(auth: Auth, given: str | None, file: Path) -> Credential | None:
    """The root token: the one given, else the one there is, else a new one, which is answered."""
    if given is not None:
        credential = _credential(given, "CRONPROBE_ROOT_TOKEN")
        _keep(file, credential)
        if not auth.has_root(credential):
            await auth.set_root(credential)
        return None
    if auth.has_root():
        return None
    kept = _kept(file)
    if kept is not None:  # the store is new, the directory is not: callers keep their token
        await auth.set_root(kept)
        return None
    credential = make_credential()
    _keep(file, credential)
    await auth.set_root(credential)
    return credential


def _kept(file: Path) -> Credential | None:
    """The token that the file has; ``None`` when there is no file."""
    if not file.exists():
        return None
    try:
        text = file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as e:
        raise StartError(f"{file}: cannot be read: {e}; correct or remove it") from e
    return _credential(text, str(file))


def _credential(text: str, where: str) -> Credential:
    try:
        kind, key, secret = split_credential(text.strip())
    except CredentialMalformed:
        kind, key, secret = "", "", ""
    if kind != "key" or not key or len(secret) < 16:
        raise ConfigError(f"{where}: want key:secret with a secret of at least 16 characters")
    return Credential(key, secret)


def _keep(file: Path, credential: Credential) -> None:
    """Write the token where only its owner reads it."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            os.fchmod(descriptor, 0o600)
            stream.write(f"{credential}\n")
    except OSError as e:
        raise StartError(f"{file}: {e.strerror}; choose another --state-dir") from e
