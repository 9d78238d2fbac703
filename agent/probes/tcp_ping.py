"""
``tcp_ping``: the time of one connect to the first address of ``host:port``; resolving is not measured.

With the option ``tls`` a handshake follows, and the result is the time of both.
"""

import asyncio
import os
import re
import socket
import ssl
import time
from contextlib import suppress
from functools import cached_property
from typing import Any

from agent.probes.certificate import expiry
from agent.probes.interface import Ending, Failed, Found
from agent.probes.reasons import os_reason, text_of
from agent.probes.resolving import Address, first_address
from protocol.outcomes import Reason
from protocol.tasks.tcp_ping import TcpPingOptions

CONNECT_LIMIT_S = 1
HANDSHAKE_LIMIT_S = 5
_PREFIX = "Other error: Other error: Other error: "
_TARGET = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<host>[^:]+)):(?P<port>[0-9]{1,5})")


class Trust:
    """Which certificates are valid: those of the system's authorities, which the first handshake reads."""

    @cached_property
    def context(self) -> ssl.SSLContext:
        """For the client's side."""
        return ssl.create_default_context()


async def probe(target: str, options: TcpPingOptions | None, *, trust: Trust) -> Ending:
    """The time of ``connect()`` alone, or with the handshake, in ms."""
    parts = _TARGET.fullmatch(target)
    if parts is None or int(parts["port"]) > 65535:
        return _unresolved(f"'{target}' is not host:port")
    host = parts["v6"] or parts["host"] or ""
    try:
        address = await first_address(host, int(parts["port"]), None if options is None else options.family)
    except (OSError, UnicodeError) as e:
        return _unresolved(text_of(e))
    return await _connect(address, host, options, trust)


async def _connect(address: Address, host: str, options: TcpPingOptions | None, trust: Trust) -> Ending:
    detail = address.told
    loop = asyncio.get_running_loop()
    try:
        with socket.socket(address.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as tcp:
            async with asyncio.timeout(CONNECT_LIMIT_S):
                start_s = time.perf_counter()
                await loop.sock_connect(tcp, address.sockaddr)
                connect_ms = (time.perf_counter() - start_s) * 1000
            if options is None:
                return Found(connect_ms, None if address.resolve_ms is None else detail)
            if options.tls:
                return await _shake_hands(tcp, host, trust, {**detail, "connect_ms": connect_ms})
            return Found(connect_ms, detail)
    except TimeoutError:
        return Failed(Reason.CONNECT_TIMEOUT, _PREFIX + "Tcp Ping Timeout", detail)
    except OSError as e:
        # asyncio rewords the error; the number is what the peers show.
        text = f"Tcp Ping Error: {os.strerror(e.errno or 0)} (os error {e.errno})"
        return Failed(os_reason(e), _PREFIX + text, detail)


async def _shake_hands(tcp: socket.socket, host: str, trust: Trust, detail: dict[str, Any]) -> Ending:
    """A TLS handshake on the connection, which is closed by it; ``detail`` has the time of the connect."""
    context = trust.context
    start_s = time.perf_counter()
    try:
        async with asyncio.timeout(HANDSHAKE_LIMIT_S):
            _, writer = await asyncio.open_connection(sock=tcp.dup(), ssl=context, server_hostname=host.rstrip("."))
    except TimeoutError:
        return Failed(Reason.TIMEOUT, f"{_PREFIX}Tcp Ping Error: no TLS handshake within {HANDSHAKE_LIMIT_S}s", detail)
    except (OSError, ValueError) as e:
        # A peer that goes away in the middle of it has not agreed on TLS either.
        return Failed(Reason.TLS, f"{_PREFIX}Tcp Ping Error: TLS handshake failed: {text_of(e)}", detail)
    tls_ms = (time.perf_counter() - start_s) * 1000
    detail = {**detail, "tls_ms": tls_ms, **expiry(writer.get_extra_info("ssl_object"))}
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()
    return Found(detail["connect_ms"] + tls_ms, detail)


def _unresolved(why: str) -> Failed:
    return Failed(Reason.DNS, f"{_PREFIX}Resolving host error: {why}")
