"""``cronprobe agent``: an agent by itself, dialling out to its servers."""

import asyncio
from pathlib import Path
from typing import Annotated

import structlog
import typer

from agent.app import open_agent
from agent.config import Config, load
from cli.lifetime import live

log = structlog.get_logger()


def agent(
    config: Annotated[
        Path, typer.Option("--config", "-c", envvar="CRONPROBE_AGENT_CONFIG", help="TOML file.", metavar="FILE")
    ],
) -> None:
    """
    Run an agent: it dials its servers, takes tasks, probes, and uploads what it finds.

    The file has the keys of a NodeGet agent's config.toml; everything is refused that it does not allow.

    Example of a file: `docs/agent.example.toml`
    """
    settings = load(config)
    log.info("agent starts", uuid=settings.agent_uuid, servers=len(settings.servers))
    live(lambda stop: work(settings, stop))


async def work(config: Config, stop: asyncio.Event) -> None:
    """Work until ``stop``."""
    async with open_agent(config):
        await stop.wait()
