"""``cronprobe scheduler``: the scheduler by itself, firing into a server elsewhere."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from prometheus_client import CollectorRegistry, start_http_server

from cli.lifetime import live
from cli.options import (
    DEFAULT_SERVER,
    DEFAULT_STATE_DIR,
    Files,
    ServerUrl,
    StateDir,
    TokenFile,
    TokenText,
    find_token,
    split_listen,
)
from cli.reloads import open_reloads
from protocol.errors import StartError
from scheduler.app import open_scheduler
from scheduler.jobfile import load
from scheduler.jobs import JobFile
from scheduler.taskserver import open_rpc_task_server


def scheduler(
    files: Files,
    server: ServerUrl = DEFAULT_SERVER,
    token_file: TokenFile = None,
    token: TokenText = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    metrics_listen: Annotated[
        str | None,
        typer.Option(
            envvar="CRONPROBE_METRICS_LISTEN", help="Serve the scheduler's own /metrics here.", metavar="HOST:PORT"
        ),
    ] = None,
) -> None:
    """
    Fire the jobs of the files into a server. Ticks that are due while the server is away are kept and sent later.

    The token needs task:create: `cronprobe token create scheduler`.

    Example: `cronprobe scheduler jobs/ --server http://probes.example:2211 --token-file token`
    """
    jobs = load(files)
    credential = find_token(token_file, token, state_dir)
    live(lambda stop: fire(files, jobs, server, credential, metrics_listen, stop))


async def fire(
    files: Sequence[Path], jobs: JobFile, url: str, token: str, metrics_listen: str | None, stop: asyncio.Event
) -> None:
    """Fire until ``stop``."""
    registry = CollectorRegistry()
    if metrics_listen is not None:
        _serve_metrics(metrics_listen, registry)
    async with (
        open_rpc_task_server(url, token) as task_server,
        open_scheduler(jobs, task_server, registry=registry) as running,
        open_reloads(files, running),
    ):
        await stop.wait()


def _serve_metrics(listen: str, registry: CollectorRegistry) -> None:
    host, port = split_listen(listen, "--metrics-listen")
    try:
        start_http_server(port, host, registry)
    except OSError as e:
        raise StartError(f"--metrics-listen {listen}: {e.strerror}; stop what listens there or choose another") from e
