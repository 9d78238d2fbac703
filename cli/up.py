"""``cronprobe up``: server, scheduler and a local agent in one process, for a first look and for small sites."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from msgspec import Struct
from prometheus_client import CollectorRegistry
from rich.markup import escape

from agent.app import open_agent
from agent.config import Config as AgentConfig
from agent.config import ServerConfig
from cli.lifetime import live
from cli.options import DEFAULT_LISTEN, DEFAULT_STATE_DIR, Files, Listen, RootToken, StateDir, StoreUrl
from cli.screen import console
from cli.server import announce_server, server_config
from cli.token import agent_limits
from protocol.errors import RpcError, StoreFailed
from protocol.methods import Created, NewTask, read_token_creation
from scheduler.app import open_scheduler
from scheduler.jobfile import load
from scheduler.jobs import JobFile
from scheduler.taskserver import TaskServerAway
from server.app import Server, open_server
from server.config import Config
from server.results import Finished
from server.tasks import Tasks

_LOCAL_TYPES = ("ping", "tcp_ping", "http_ping", "http_request")
_LINES_A_SECOND = 50


def up(
    files: Files,
    listen: Listen = DEFAULT_LISTEN,
    store: StoreUrl = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    root_token: RootToken = None,
    agent: Annotated[
        str, typer.Option(envvar="CRONPROBE_AGENT", help="Run the agent that the files give this name.", metavar="NAME")
    ] = "local",
    no_agent: Annotated[bool, typer.Option("--no-agent", help="Run no agent here.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No line per result.")] = False,
) -> None:
    """
    Run server, scheduler and a local agent in one process, and print a line per result.

    Example: `cronprobe up jobs.example.yaml`
    """
    jobs = load(files)
    config = server_config(listen, store, state_dir, root_token)
    local = None if no_agent else agent
    live(lambda stop: run(jobs, config, local, stop, quiet=quiet))


async def run(jobs: JobFile, config: Config, local: str | None, stop: asyncio.Event, *, quiet: bool) -> None:
    """Run until ``stop``; ``local`` ``None`` runs no agent."""
    registry = CollectorRegistry()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(open_server(config, registry=registry))
        announce_server(server, config)
        if not quiet:
            server.results.listen(Lines())
        here = jobs.agents.get(local) if local is not None else None
        if here is not None:
            await stack.enter_async_context(_local_agent(server, config, here.uuid))
            console.print(f"[bold]agent[/bold]    {local}   (UUID {here.uuid})")
        elif local is not None:
            console.print(f"[bold]agent[/bold]    none here: the job files name no agent {local!r}")
        await stack.enter_async_context(open_scheduler(jobs, InProcess(server.tasks), registry=registry))
        await stop.wait()


class InProcess(Struct, frozen=True):
    """The scheduler's seam to the server in this process."""

    tasks: Tasks

    async def create_tasks(self, batch: Sequence[NewTask]) -> list[Created]:
        """See ``scheduler.taskserver.TaskServer``."""
        try:
            return await self.tasks.create_tasks(batch)
        except StoreFailed as e:
            raise TaskServerAway(str(e)) from e


class Lines:
    """Prints stored results, at most so many a second that a person could still see them pass."""

    def __init__(self) -> None:
        self._second = 0
        self._printed = 0

    def __call__(self, finished: Sequence[Finished]) -> None:
        second = finished[0].finished_ms // 1000
        if second != self._second:
            self._second, self._printed = second, 0
        for run in finished[: _LINES_A_SECOND - self._printed]:
            console.print(result_line(run))
            self._printed += 1


def result_line(run: Finished) -> str:
    """One stored result, as ``up`` prints it."""
    series = run.task.series
    time = datetime.fromtimestamp((run.task.scheduled_ms or run.finished_ms) / 1000, UTC).strftime("%H:%M:%S")
    label = series.stats.labels if series.stats else None
    name = f"{series.cron_source or '(by hand)':20} {label.agent if label else series.agent_uuid:10}"
    if run.reason is None:
        latency = "" if run.latency_ms is None else f"{run.latency_ms:.2f} ms"
        return f"{time} {name} {series.type_name:13} [green]ok[/green]      {latency}"
    colour = "red" if run.reason.outcome == "failed" else "yellow"
    message = escape("" if run.response is None else run.response.error_message or "")
    outcome = f"[{colour}]{run.reason.outcome:7}[/{colour}]"
    return f"{time} {name} {series.type_name:13} {outcome} {run.reason.word}  {message}"


@asynccontextmanager
async def _local_agent(server: Server, config: Config, uuid: str) -> AsyncIterator[None]:
    host = "127.0.0.1" if config.host in ("0.0.0.0", "::") else config.host  # noqa: S104 compared, not bound
    here = ServerConfig(
        name="here",
        server_uuid=server.uuid,
        token=await _agent_token(server, config.state_dir / "local-agent-token", uuid),
        ws_url=f"ws://{host}:{server.port}/",
        allow_task=True,
        allow_task_type=_LOCAL_TYPES,
    )
    async with open_agent(AgentConfig(agent_uuid=uuid, servers=(here,))):
        yield


async def _agent_token(server: Server, file: Path, uuid: str) -> str:
    """The local agent's token: the one it had, else a new one, kept where only its owner reads it."""
    kept = _read(file)
    try:
        if any(scope.name == uuid for limit in server.auth.verify(kept).limits for scope in limit.scopes):
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
