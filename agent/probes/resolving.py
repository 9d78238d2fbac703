"""Names to addresses, by the system's resolver: the first address, in the order the system gives them."""

import asyncio
import socket
from contextlib import suppress
from ipaddress import ip_address

from msgspec import Struct


class Address(Struct, frozen=True):
    """Where to send: ``sockaddr`` is what the socket of this ``family`` takes."""

    family: socket.AddressFamily
    sockaddr: tuple[str, int] | tuple[str, int, int, int]

    @property
    def ip(self) -> str:
        """The IP address as text."""
        return self.sockaddr[0]


async def first_address(host: str, port: int) -> Address:
    """
    The first address of ``host``; an IP literal is taken as it is. The caller has the limit.

    Raises:
        OSError: the name does not resolve (``socket.gaierror``).
        UnicodeError: the text can be no host name.
    """
    with suppress(ValueError):
        literal = ip_address(host)
        return Address(socket.AF_INET if literal.version == 4 else socket.AF_INET6, (str(literal), port))
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    family, _, _, _, sockaddr = found[0]
    return Address(family, (str(sockaddr[0]), *sockaddr[1:]))
