"""``cronprobe agent``: an agent by itself, dialling out to its servers."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from agent.app import Spools, open_agent
from agent.config import Config, load
from cli.lifetime import live
from cli.readiness import tell_ready
from protocol.errors import ConfigError

log = structlog.get_logger()


def agent(
    config: Annotated[
        Path, typer.Option("--config", "-c", envvar="CRONPROBE_AGENT_CONFIG", help="TOML file.", metavar="FILE")
    ],
) -> None:
    """
    Run an agent: it dials its servers, takes tasks, probes, and uploads what it finds.

    The file has the keys of a NodeGet agent's config.toml; everything is refused that it does not allow.

    Example: `cronprobe agent -c agent.toml`, with a file such as `docs/agent.example.toml`
    """
    settings = load(config)
    live(lambda stop: work(settings, config, stop))


async def work(config: Config, file: Path, stop: asyncio.Event) -> None:
    """Work until ``stop``; a task that replaces ``file`` makes the agent start anew."""
    spools = Spools()
    while not stop.is_set():
        log.info("agent starts", uuid=config.agent_uuid, servers=len(config.servers))
        async with open_agent(config, file=file, spools=spools) as agent:
            tell_ready(f"probes for {', '.join(server.name for server in config.servers)}")
            await _first(stop.wait(), agent.wait_edited())
        if not stop.is_set():
            config = _load_again(file, config)


async def _first(*waits: Coroutine[Any, Any, object]) -> None:
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def _load_again(file: Path, running: Config) -> Config:
    """What the file says now; ``running`` when it is wrong after all."""
    try:
        return load(file)
    except ConfigError as e:
        log.error("goes on with the configuration it had", why=str(e))
        return running
