"""DNS as tasks know it: record types, and servers by address and port."""

import ipaddress
from typing import get_args

from protocol.tasks.dns import RecordType

RECORD_TYPES: tuple[str, ...] = get_args(RecordType)
_PORT = "53"


def dns_server(text: str) -> str | None:
    """``text`` as a task has it, with a port; ``None`` when it is no IP address."""
    host, colon, port = text.rpartition(":")
    for address, number in ((text, _PORT), (host if colon else "", port)):
        try:
            found = ipaddress.ip_address(address.strip("[]"))
        except ValueError:
            continue
        return f"[{found}]:{number}" if found.version == 6 else f"{found}:{number}"
    return None
