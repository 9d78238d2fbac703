"""Do names resolve, by the system's resolver: those of the servers, and those that are asked for."""

import socket
import time
from collections.abc import Iterator
from ipaddress import ip_address

from yarl import URL

from cli.doctor.interface import Finding, Machine, fail, ok, warn

_SLOW_S = 1.0


def check_names(machine: Machine) -> Iterator[Finding]:
    """Each name has an address, and soon."""
    server = URL(machine.server).host if machine.server is not None else None
    asked = (*([server] if server else []), *machine.names)
    for name in dict.fromkeys(("localhost", *(name for name in asked if not _is_address(name)))):
        start_s = time.monotonic()
        try:
            found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as e:
            yield fail("dns", f"{name}: {e.strerror if isinstance(e, OSError) else e}", "look at /etc/resolv.conf")
            continue
        took_s = time.monotonic() - start_s
        if took_s > _SLOW_S:
            remedy = "the first name server of /etc/resolv.conf may not answer: probes of names would time out"
            yield warn("dns", f"{name} took {took_s:.1f} s", remedy)
        else:
            yield ok("dns", f"{name} is {found[0][4][0]}")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
