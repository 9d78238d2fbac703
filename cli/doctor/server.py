"""Is the server there, does it speak our language, and what may our token do: each step where the one before holds."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import msgspec

from cli.client import CallRefused, Client, ServerUnreachable
from cli.doctor.interface import LIMIT_S, Finding, Machine, fail, ok, warn
from protocol.errors import ConfigError

_HELLO = "nodeget-server_hello"
_START = "start it, or give the right --server; ss -ltn shows what listens, and a firewall may be between"
_PROXY = "let the proxy pass WebSockets: proxy_http_version 1.1, and the headers Upgrade and Connection"


def check_server(machine: Machine) -> Iterator[Finding]:
    """All steps."""
    if machine.server is not None:
        client = Client(machine.server, machine.token or "")
        yield from asyncio.run(_findings(client, machine.no_token if machine.token is None else None))


async def _findings(client: Client, no_token: str | None) -> list[Finding]:
    return [finding async for finding in _steps(client, no_token)]


async def _steps(client: Client, no_token: str | None) -> AsyncIterator[Finding]:
    try:
        await client.ask(_HELLO, {}, timeout_s=LIMIT_S)
    except (ConfigError, ServerUnreachable) as e:
        yield fail("server", str(e), _START)
        return
    except CallRefused as e:
        yield fail("server", f"{client.url}: {e}", "what listens there is no cronprobe server; give the right --server")
        return
    yield ok("server", f"{client.url} answers JSON-RPC")
    yield await _readiness(client.url)
    yield await _web_socket(client)
    if no_token is not None:
        yield warn("token", no_token, "give --token-file to have a token looked at")
    else:
        yield await _token(client)


async def _readiness(url: str) -> Finding:
    """Whether its last commit went well."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=LIMIT_S)) as session,
            session.get(f"{url.rstrip('/')}/-/ready") as response,
        ):
            status = response.status
    except (aiohttp.ClientError, TimeoutError) as e:
        return warn("server", f"/-/ready: {e}", "let the proxy pass GET as well as POST")
    if status == 503:
        return fail("server", "it is not ready: its last commit failed, or it stops", "look at its log and its disk")
    return ok("server", "ready") if status == 200 else warn("server", f"/-/ready: status {status}", "look at the proxy")


async def _web_socket(client: Client) -> Finding:
    """Whether a WebSocket comes through: proxies like to drop the upgrade."""
    try:
        async with (
            asyncio.timeout(LIMIT_S),
            aiohttp.ClientSession() as session,
            session.ws_connect(client.url) as web_socket,
        ):
            await web_socket.send_str(client.frame(_HELLO, {}).decode())
            await web_socket.receive_str()
    except aiohttp.WSServerHandshakeError as e:
        return fail("server", f"no WebSocket: the upgrade is answered {e.status}", _PROXY)
    except (aiohttp.ClientError, TypeError) as e:
        return fail("server", f"no WebSocket: {e}", _PROXY)
    except TimeoutError:
        return fail("server", f"no WebSocket within {LIMIT_S:g} s", _PROXY)
    return ok("server", "WebSockets come through")


async def _token(client: Client) -> Finding:
    try:
        token = msgspec.json.decode(await client.ask("token_get", {}, timeout_s=LIMIT_S))
    except (CallRefused, ServerUnreachable) as e:
        remedy = "it may be revoked, or of another server: make one with cronprobe token create"
        return fail("token", str(e), remedy)
    now_ms = time.time() * 1000
    if not (token["timestamp_from"] or 0) <= now_ms <= (token["timestamp_to"] or now_ms):
        return fail("token", f"{token['token_key']}: outside its time", "make a new one with cronprobe token create")
    return ok("token", f"{token['token_key']} may do {_abilities(token)}")


def _abilities(token: dict[str, Any]) -> str:
    """What its limits say, in a few words."""
    if token["username"] == "root":
        return "everything: it is the root token"
    words = {
        f"{area} {what if isinstance(what, str) else ' '.join(map(str, *what.items()))}"
        for limit in token["token_limit"]
        for permission in limit["permissions"]
        for area, what in permission.items()
    }
    return ", ".join(sorted(words)) or "nothing"
