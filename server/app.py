"""
Where the server is put together, from the cellar up: store, writer, tasks, methods, door.

Leaving goes the other way: the door closes, the writer commits what waits, the store is let go.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

import structlog
from msgspec import Struct
from prometheus_client import CollectorRegistry

from protocol.errors import StartError
from server.agents import Agents
from server.auth import Auth
from server.clock import now_ms
from server.config import Config
from server.credentials import Credential
from server.deadlines import Deadlines
from server.feeds import Feeds
from server.grants import Grants
from server.http import Door, open_door
from server.jobs import Jobs
from server.methods import agent, agent_uuid, crontab, crontab_result, nodeget_server, rpc, table
from server.methods.job import JobMethods
from server.methods.task import TaskMethods
from server.methods.task_rows import RowMethods
from server.methods.token import TokenMethods
from server.metrics.agents import AgentMetrics
from server.metrics.jobs import JobMetrics
from server.metrics.own import OwnMetrics
from server.metrics.page import Page
from server.metrics.probes import ProbeMetrics
from server.pages.content import Sources
from server.pages.door import Pages
from server.pages.history import History
from server.pages.logins import Logins
from server.pages.rendering import Rendering, read_linked
from server.pages.restoring import restore
from server.rejections import Rejections
from server.reloading import Reloading
from server.restoring import Restoring
from server.results import Results
from server.retention import Retention
from server.root_token import keep, settle_root
from server.rpc import Rpc
from server.running import RunningTask, RunningTasks
from server.series import SeriesBook
from server.sessions import Sessions
from server.store import open_store
from server.store.interface import Store
from server.task_ids import TaskIds
from server.tasks import Tasks
from server.terminal import Terminals
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
    jobs: Jobs
    results: Results
    reloading: Reloading
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
    token_file = config.state_dir / "root-token"
    auth = Auth(writer=writer, now_ms=now_ms, keep_root=partial(keep, token_file))
    auth.load(await store.tokens())
    new_root = await settle_root(auth, config.root_token, token_file)

    probes = ProbeMetrics(config.metrics)
    job_metrics = JobMetrics()
    running = RunningTasks()
    sessions = Sessions(metrics=metrics)
    for uuid, name in await store.agents():
        sessions.name(uuid, name)
    agents = Agents(sessions=sessions, running=running)
    feeds = Feeds()
    series = SeriesBook(writer=writer, sessions=sessions, probes=probes)
    restoring = Restoring(store=store, probes=probes, jobs=job_metrics)
    jobs = Jobs(
        writer=writer,
        store=store,
        sessions=sessions,
        series=series,
        probes=probes,
        metrics=job_metrics,
        restoring=restoring,
    )
    await jobs.load()
    results = Results(
        running=running,
        series=series,
        sessions=sessions,
        writer=writer,
        store=store,
        metrics=metrics,
        now_ms=now_ms,
        on_stored=feeds.announce,
    )
    deadlines = Deadlines(running=running, results=results, now_ms=now_ms)
    tasks = Tasks(
        ids=TaskIds(writer),
        series=series,
        sessions=sessions,
        running=running,
        deadlines=deadlines,
        results=results,
        writer=writer,
        job_metrics=job_metrics,
        now_ms=now_ms,
    )
    tasks.resume(await store.running())
    task_methods = TaskMethods(
        auth=auth,
        tasks=tasks,
        results=results,
        outbox_size=config.outbox_size,
        on_sent=_stamp(metrics, now_ms),
        rejections=Rejections(first_s=config.rejection_delay_s, now_s=asyncio.get_running_loop().time),
    )
    grants = Grants(auth=auth, now_ms=now_ms)
    reloading = Reloading(auth=auth)
    namespaces = [
        *nodeget_server.methods(server_uuid=server_uuid, auth=auth, agents=agents),
        *task_methods.methods(),
        *RowMethods(auth=auth, running=running, store=store, writer=writer, feeds=feeds).methods(),
        *agent.methods(auth=auth, agents=agents),
        *agent_uuid.methods(auth=auth, agents=agents),
        *TokenMethods(auth=auth).methods(),
        *crontab.methods(auth=auth, jobs=jobs, store=store),
        *crontab_result.methods(auth=auth, store=store),
        *JobMethods(auth=auth, jobs=jobs, store=store).methods(),
    ]
    methods = table(namespaces, rpc.methods(namespaces))
    history = History(now_ms=now_ms)
    results.listen(history.take)
    jobs.listen(lambda: history.keep(jobs))
    sources = Sources(
        jobs=jobs, agents=agents, history=history, store=store, rendering=Rendering(read_linked()), now_ms=now_ms
    )
    now_s = asyncio.get_running_loop().time
    pages = Pages(
        sources=sources,
        auth=auth,
        logins=Logins(auth=auth, now_s=now_s),
        grants=grants,
        rejections=Rejections(first_s=config.rejection_delay_s, now_s=now_s),
        server_uuid=server_uuid,
        is_public=config.public_page,
    )
    door = Door(
        rpc=Rpc(methods=methods, metrics=metrics),
        sessions=sessions,
        metrics=Page(registry=registry, sources=[probes, job_metrics, AgentMetrics(agents.shown)]),
        pages=pages,
        is_ready=metrics.is_store_up,
        grants=grants,
        terminals=Terminals(running=running, auth=auth, grants=grants),
        reloading=reloading,
        max_connections=config.max_connections,
        ping_s=config.ping_s,
    )
    retention = Retention(jobs=jobs, store=store, writer=writer, now_ms=now_ms, kept_ms=config.retention_ms)
    async with asyncio.TaskGroup() as eternal:
        watching = [
            eternal.create_task(retention.run(), name="retention"),
            eternal.create_task(deadlines.run(), name="deadlines"),
            eternal.create_task(grants.run(), name="grants"),
            eternal.create_task(restoring.run(), name="restoring"),
            eternal.create_task(restore(history, store, list(jobs)), name="history"),
        ]
        try:
            async with open_door(door, host=config.host, port=config.port) as port:
                log.info("listening", host=config.host, port=port, server_uuid=server_uuid, running=len(running))
                yield Server(port, server_uuid, auth, tasks, jobs, results, reloading, token_file, new_root)
        finally:
            for watch in watching:
                watch.cancel()


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
