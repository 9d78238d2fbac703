"""``tcp_ping``: the time of one connect to the first address of ``host:port``; resolving is not measured."""

import asyncio
import os
import re
import socket
import time

from agent.probes.interface import Ending, Failed, Found
from agent.probes.reasons import os_reason, text_of
from agent.probes.resolving import Address, first_address
from protocol.outcomes import Reason

CONNECT_LIMIT_S = 1
_PREFIX = "Other error: Other error: Other error: "
_TARGET = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<host>[^:]+)):(?P<port>[0-9]{1,5})")


async def probe(target: str) -> Ending:
    """The time of ``connect()`` alone, in ms."""
    parts = _TARGET.fullmatch(target)
    if parts is None or int(parts["port"]) > 65535:
        return _unresolved(f"'{target}' is not host:port")
    try:
        address = await first_address(parts["v6"] or parts["host"] or "", int(parts["port"]))
    except (OSError, UnicodeError) as e:
        return _unresolved(text_of(e))
    return await _connect(address)


async def _connect(address: Address) -> Ending:
    detail = {"address": address.ip}
    loop = asyncio.get_running_loop()
    try:
        with socket.socket(address.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as tcp:
            async with asyncio.timeout(CONNECT_LIMIT_S):
                start_s = time.perf_counter()
                await loop.sock_connect(tcp, address.sockaddr)
                return Found((time.perf_counter() - start_s) * 1000)
    except TimeoutError:
        return Failed(Reason.CONNECT_TIMEOUT, _PREFIX + "Tcp Ping Timeout", detail)
    except OSError as e:
        # asyncio rewords the error; the number is what the peers show.
        text = f"Tcp Ping Error: {os.strerror(e.errno or 0)} (os error {e.errno})"
        return Failed(os_reason(e), _PREFIX + text, detail)


def _unresolved(why: str) -> Failed:
    return Failed(Reason.DNS, f"{_PREFIX}Resolving host error: {why}")
