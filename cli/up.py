"""``cronprobe up``: server, scheduler and a local agent in one process, for a first look and for small sites."""

import asyncio
import os
import queue
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from msgspec import Struct
from msgspec.structs import replace
from prometheus_client import CollectorRegistry
from rich.markup import escape

from agent.app import open_agent
from agent.config import Config as AgentConfig
from agent.config import ServerConfig
from cli.lifetime import live
from cli.lines import RunLine, run_line
from cli.options import (
    DEFAULT_LISTEN,
    DEFAULT_RETENTION,
    DEFAULT_STATE_DIR,
    Files,
    Listen,
    Metrics,
    PublicPage,
    Retention,
    RootToken,
    StateDir,
    StoreUrl,
    check_type,
    join_listen,
)
from cli.reloads import open_reloads
from cli.screen import OutputClosed, console
from cli.server import announce_server, server_config
from cli.token import agent_limits
from protocol.crontab import DeclaredJob, Gap
from protocol.errors import ConfigError, RpcError, StoreFailed
from protocol.methods.task import Created, NewTask
from protocol.methods.token import read_token_creation
from scheduler.app import open_scheduler
from scheduler.jobfile import load
from scheduler.jobs import JobFile
from scheduler.taskserver import TaskServerAway
from server.app import Server, open_server
from server.config import Config, MetricsExtent
from server.jobs import Jobs, readable
from server.results import Finished
from server.tasks import Tasks

_LOCAL_TYPES = ("ping", "tcp_ping", "http_ping", "http_request", "dns", "ip", "version")
_NEED_A_FILE = frozenset({"read_config", "edit_config"})
_LINES_A_SECOND = 50
_LINES_WAITING = 500
_USUAL_NAME = "local"


def up(
    files: Files,
    listen: Listen = DEFAULT_LISTEN,
    store: StoreUrl = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    root_token: RootToken = None,
    retention: Retention = DEFAULT_RETENTION,
    public_page: PublicPage = False,
    agent: Annotated[
        str, typer.Option(envvar="CRONPROBE_AGENT", help="Run the agent that the files give this name.", metavar="NAME")
    ] = _USUAL_NAME,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            help="Let the local agent take this task type as well, such as execute; repeatable.", metavar="TYPE"
        ),
    ] = None,
    no_agent: Annotated[bool, typer.Option("--no-agent", help="Run no agent here.")] = False,
    metrics: Metrics = MetricsExtent.FULL,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No line per result.")] = False,
) -> None:
    """
    Run server, scheduler and a local agent in one process, and print a line per result.

    Example: `cronprobe up jobs.example.yaml`
    """
    jobs = load(files)
    if agent not in jobs.agents and agent != _USUAL_NAME and not no_agent:
        known = ", ".join(jobs.agents) or "none"
        raise ConfigError(f"--agent: the job files name no agent {agent!r}; they name: {known}")
    for name in allow or ():
        if check_type(name, "--allow") in _NEED_A_FILE:
            raise ConfigError(
                f"--allow: {name} is about an agent's file; the local agent has none: start cronprobe agent"
            )
    config = server_config(listen, store, state_dir, root_token, retention)
    config = replace(config, metrics=metrics, public_page=public_page)
    local = None if no_agent else Local(agent, (*_LOCAL_TYPES, *(allow or ())))
    live(lambda stop: run(files, jobs, config, local, stop, quiet=quiet))


class Local(Struct, frozen=True):
    """The agent in this process: its name in the job files, and the task types it takes."""

    name: str
    allowed: tuple[str, ...]


async def run(
    files: Sequence[Path], jobs: JobFile, config: Config, local: Local | None, stop: asyncio.Event, *, quiet: bool
) -> None:
    """Run until ``stop``; ``local`` ``None`` runs no agent."""
    registry = CollectorRegistry()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(open_server(config, registry=registry))
        announce_server(server, config)
        if not quiet:
            server.results.listen(Lines())
        if local is not None and local.name in jobs.agents:
            uuid = jobs.agents[local.name].uuid
            await server.jobs.name_agent(uuid, local.name)
            await stack.enter_async_context(_local_agent(server, config, uuid, local.allowed))
            console.print(f"[bold]agent[/bold]    {escape(local.name)}   (UUID {uuid})")
        elif local is not None:
            console.print(f"[bold]agent[/bold]    none here: the job files name no agent {local.name!r}")
        task_server = InProcess(server.tasks, server.jobs)
        scheduler = await stack.enter_async_context(open_scheduler(jobs, task_server, registry=registry))
        reloader = await stack.enter_async_context(open_reloads(files, scheduler))
        server.reloading.offer(reloader.reload)
        await stop.wait()


class InProcess(Struct, frozen=True):
    """The scheduler's seam to the server in this process."""

    tasks: Tasks
    jobs: Jobs

    async def create_tasks(self, batch: Sequence[NewTask]) -> list[Created]:
        """See ``scheduler.taskserver.TaskServer``."""
        try:
            return await self.tasks.create_tasks(batch)
        except StoreFailed as e:
            raise TaskServerAway(str(e)) from e

    async def declare(self, jobs: Sequence[DeclaredJob], before_ms: int) -> Mapping[str, int]:
        """See ``scheduler.taskserver.TaskServer``."""
        try:
            return await self.jobs.declare(readable(jobs), before_ms)
        except StoreFailed as e:
            raise TaskServerAway(str(e)) from e

    async def record_gaps(self, gaps: Sequence[Gap]) -> None:
        """See ``scheduler.taskserver.TaskServer``."""
        try:
            await self.jobs.record_gaps(gaps)
        except StoreFailed as e:
            raise TaskServerAway(str(e)) from e


class Lines:
    """
    Prints stored results, at most so many a second that a person could still see them pass.

    On a thread of its own: a terminal that is stopped, or a pipe that nobody reads, must not stop the server.
    """

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._second = 0
        self._taken = 0
        threading.Thread(target=self._print, name="result lines", daemon=True).start()

    def __call__(self, finished: Sequence[Finished]) -> None:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._taken = second, 0
        room = min(_LINES_A_SECOND - self._taken, _LINES_WAITING - self._queue.qsize())
        for run in finished[: max(0, room)]:
            self._queue.put(result_line(run))
            self._taken += 1

    def _print(self) -> None:
        with suppress(OutputClosed):
            while True:
                console.print(self._queue.get())


def result_line(run: Finished) -> str:
    """One stored result as rich markup."""
    series = run.task.series
    label = series.stats.labels if series.stats else None
    return run_line(
        RunLine(
            due_ms=run.task.scheduled_ms or run.task.created_ms,
            job=series.cron_source,
            agent=label.agent if label else series.agent_uuid,
            type_name=series.type_name,
            outcome="ok" if run.reason is None else run.reason.outcome,
            reason=None if run.reason is None else run.reason.word,
            latency_ms=run.verdict.latency_ms,
            is_degraded=run.verdict.is_degraded,
            message=run.message,
        )
    )


@asynccontextmanager
async def _local_agent(server: Server, config: Config, uuid: str, allowed: tuple[str, ...]) -> AsyncIterator[None]:
    anywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 compared, not bound
    address = join_listen(anywhere.get(config.host, config.host), server.port)
    here = ServerConfig(
        name="here",
        server_uuid=server.uuid,
        token=await _agent_token(server, config.state_dir / "local-agent-token", uuid),
        ws_url=f"ws://{address}/",
        allow_task=True,
        allow_task_type=allowed,
    )
    async with open_agent(AgentConfig(agent_uuid=uuid, servers=(here,))):
        yield


async def _agent_token(server: Server, file: Path, uuid: str) -> str:
    """The local agent's token: the one it had, else a new one, kept where only its owner reads it."""
    kept = _read(file)
    try:
        known = await server.auth.verify(kept)
        if any(scope.name == uuid for limit in known.limits for scope in limit.scopes):
            return kept
    except RpcError:
        pass  # none was kept, or one of another store
    creation = read_token_creation(msgspec.json.encode({"token_limit": agent_limits(uuid)}))
    made = str(await server.auth.create(creation))
    _write(file, made)
    return made


def _read(file: Path) -> str:
    return file.read_text().strip() if file.exists() else ""


def _write(file: Path, token: str) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(f"{token}\n")
