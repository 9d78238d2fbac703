"""Names to addresses, by the system's resolver: the first address, in the order the system gives them."""

import asyncio
import socket
import time
from contextlib import suppress
from ipaddress import ip_address
from typing import Any, Literal

from msgspec import Struct

_FAMILIES = {None: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}


class Address(Struct, frozen=True):
    """
    Where to send: ``sockaddr`` is what the socket of this ``family`` takes.

    ``resolve_ms`` is how long it took to find out; ``None`` when it was given and no name.
    """

    family: socket.AddressFamily
    sockaddr: tuple[str, int] | tuple[str, int, int, int]
    resolve_ms: float | None = None

    @property
    def told(self) -> dict[str, Any]:
        """What the detail says of it."""
        return {"address": self.ip} | ({} if self.resolve_ms is None else {"resolve_ms": self.resolve_ms})

    @property
    def ip(self) -> str:
        """The IP address as text."""
        return self.sockaddr[0]


async def first_address(host: str, port: int, version: Literal[4, 6] | None = None) -> Address:
    """
    The first address of ``host``, or the first of this IP ``version``; an IP literal is taken as it is.

    The caller has the limit.

    Raises:
        OSError: the name does not resolve, or the literal is of the other version (``socket.gaierror``).
        UnicodeError: the text can be no host name.
    """
    with suppress(ValueError):
        literal = ip_address(host)
        if version not in (None, literal.version):
            raise socket.gaierror(socket.EAI_ADDRFAMILY, f"{host} is no IPv{version} address")
        return Address(_FAMILIES[literal.version], (str(literal), port))
    loop = asyncio.get_running_loop()
    start_s = time.perf_counter()
    found = await loop.getaddrinfo(host, port, family=_FAMILIES[version], type=socket.SOCK_STREAM)
    family, _, _, _, sockaddr = found[0]
    resolve_ms = (time.perf_counter() - start_s) * 1000
    return Address(family, (str(sockaddr[0]), *sockaddr[1:]), resolve_ms)
