"""Names to addresses, by the system's resolver: the first address, in the order the system gives them."""

import asyncio
import socket
from contextlib import suppress
from ipaddress import ip_address
from typing import Literal

from msgspec import Struct

_FAMILIES = {None: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}


class Address(Struct, frozen=True):
    """Where to send: ``sockaddr`` is what the socket of this ``family`` takes."""

    family: socket.AddressFamily
    sockaddr: tuple[str, int] | tuple[str, int, int, int]

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
    found = await loop.getaddrinfo(host, port, family=_FAMILIES[version], type=socket.SOCK_STREAM)
    family, _, _, _, sockaddr = found[0]
    return Address(family, (str(sockaddr[0]), *sockaddr[1:]))
