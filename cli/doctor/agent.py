"""Will the agent of a file work: the file parses, each of its servers answers and is the one that it names."""

import asyncio
from collections.abc import Iterator
from typing import Any

import aiohttp
import msgspec

from agent.config import Config, ServerConfig, parse
from cli.client import CallRefused, result_of
from cli.doctor.interface import LIMIT_S, Finding, Machine, fail, ok, warn
from protocol.errors import ConfigError
from protocol.jsonrpc import call

_OTHERS = 0o007
_START = "start it, or correct ws_url; between may be a firewall, or a proxy that passes no WebSockets"


def check_agent_file(machine: Machine) -> Iterator[Finding]:
    """The file, then its servers."""
    path = machine.agent_file
    if path is None:
        return
    try:
        # Not by ``load``, which would write a generated UUID beside the file.
        config = parse(path.read_text(encoding="utf-8"), str(path), may_generate=True)
    except (OSError, UnicodeDecodeError) as e:
        yield fail("agent", f"{path}: {e.strerror if isinstance(e, OSError) else e}", "name a readable file")
        return
    except ConfigError as e:
        yield fail("agent", str(e), "correct the file; docs/agent.md tells its keys")
        return
    yield ok("agent", f"{path} is right")
    if path.stat().st_mode & _OTHERS:
        yield warn("agent", f"{path} has a token, and anybody can read it", f"chmod 0600 {path}")
    yield from asyncio.run(_servers(config))


async def _servers(config: Config) -> list[Finding]:
    return [await _server(server) for server in config.servers]


async def _server(server: ServerConfig) -> Finding:
    """Not registered: that would take the place of the agent that runs."""
    place = f"{server.name} ({server.ws_url})"
    try:
        async with (
            asyncio.timeout(LIMIT_S),
            aiohttp.ClientSession() as session,
            session.ws_connect(server.ws_url, ssl=not server.ignore_cert) as web_socket,
        ):
            found = msgspec.json.decode(await _ask(web_socket, "nodeget-server_uuid", []))
            if found != server.server_uuid:
                remedy = f"correct server_uuid or ws_url of {server.name}"
                return fail("agent", f"{place} is {found}, the file says {server.server_uuid}", remedy)
            await _ask(web_socket, "token_get", [server.token])
    except CallRefused as e:
        return fail("agent", f"{place}: {e}", "make a token: cronprobe token create agent --agent UUID")
    except TimeoutError:
        return fail("agent", f"{place}: no answer within {LIMIT_S:g} s", _START)
    except (aiohttp.ClientError, TypeError, ValueError) as e:
        return fail("agent", f"{place}: {e}", _START)
    return ok("agent", f"{place} answers, is the right one, and knows the token")


async def _ask(web_socket: aiohttp.ClientWebSocketResponse[Any], method: str, params: list[str]) -> bytes:
    await web_socket.send_str(call(1, method, msgspec.json.encode(params)).decode())
    return result_of(method, (await web_socket.receive_str()).encode())
