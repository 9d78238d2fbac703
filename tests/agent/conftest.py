"""The agent's tests run on both loops: asyncio's own, and uvloop's, which is the product's."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop

from tests.agent.scripted_server import ScriptedServer, open_server


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with open_server() as server:
        yield server
