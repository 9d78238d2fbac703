"""A service manager as a process of ours sees it: a socket that takes datagrams, sd_notify(3)."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DEADLINE_S = 15.0


class ServiceManager:
    """``environment`` is what a process is started with, so that it tells this one."""

    def __init__(self, taken: socket.socket, address: str) -> None:
        self._taken = taken
        self.environment = {"NOTIFY_SOCKET": address}

    async def told(self) -> dict[str, str]:
        """The next message but pings, its lines by name."""
        while (message := await self.any_told()) == {"WATCHDOG": "1"}:
            pass
        return message

    async def any_told(self) -> dict[str, str]:
        """The next message, its lines by name."""
        async with asyncio.timeout(DEADLINE_S):
            text = await asyncio.get_running_loop().sock_recv(self._taken, 4096)
        return dict(line.split("=", 1) for line in text.decode().splitlines())


@contextmanager
def open_service_manager(path: Path, *, is_abstract: bool = False) -> Iterator[ServiceManager]:
    """``path`` is the socket's; in the abstract namespace, where systemd may put it too, it is only a name."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as taken:
        taken.bind(f"\0{path}" if is_abstract else str(path))
        taken.setblocking(False)
        yield ServiceManager(taken, f"@{path}" if is_abstract else str(path))
