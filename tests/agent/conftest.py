"""The agent's tests run on both loops: asyncio's own, and uvloop's, which is the product's."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop

from tests.agent.certificates import Certificate, make_certificate
from tests.agent.scripted_server import ScriptedServer, open_server


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with open_server() as server:
        yield server


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return make_certificate(tmp_path_factory.mktemp("tls")).context


@pytest.fixture(scope="session")
def named(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """For a name that does not resolve, and for an address."""
    names = "subjectAltName=DNS:probe.test,IP:127.0.0.1"
    return make_certificate(tmp_path_factory.mktemp("named"), "-addext", names)
