"""
The probes, one file a task type, and the one table of them.

To add one: its file, and its line in ``open_probes``. What several probes share is opened there and handed to them.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from agent.config import Config
from agent.probes import (
    dns,
    edit_config,
    execute,
    http_ping,
    http_request,
    ip,
    ping,
    read_config,
    self_update,
    tcp_ping,
    version,
    web_shell,
)
from agent.probes.icmp import Icmp
from agent.probes.interface import Kind, Probe, local, measuring, network
from agent.probes.tcp_ping import Trust


@asynccontextmanager
async def open_probes(
    config: Config, file: Path | None, on_edited: Callable[[], None]
) -> AsyncIterator[Mapping[str, Probe]]:
    """
    The probes by task type name; on leaving, what they share is closed.

    ``file`` is where the configuration came from, ``None`` for nowhere; ``on_edited`` is called when it was replaced.
    """
    async with AsyncExitStack() as stack:
        icmp = stack.enter_context(Icmp())
        programs = await stack.enter_async_context(execute.open_programs())
        limit_s = config.execute_timeout_ms / 1000
        terminals = web_shell.Terminals(shell=config.terminal_shell)
        yield {
            "ping": Probe(Kind.NETWORK, partial(ping.probe, icmp=icmp)),
            "tcp_ping": measuring(partial(tcp_ping.probe, trust=Trust())),
            "http_ping": measuring(http_ping.probe),
            "http_request": measuring(http_request.probe),
            "dns": network(dns.probe),
            "ip": network(partial(ip.probe, v4_url=config.ip_urls[0], v6_url=config.ip_urls[1])),
            "execute": local(
                partial(execute.probe, programs=programs, limit_s=limit_s, most_bytes=config.exec_max_character)
            ),
            "read_config": local(partial(read_config.probe, file=file)),
            "edit_config": local(partial(edit_config.probe, file=file, on_edited=on_edited)),
            "version": local(version.probe),
            "self_update": local(self_update.probe),
            "web_shell": Probe(Kind.TERMINAL, partial(web_shell.probe, terminals=terminals)),
        }
