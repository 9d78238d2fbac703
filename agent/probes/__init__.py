"""
The probes, one file a task type, and the one table of them.

To add one: its file, and its line in ``open_probes``. What several probes share is opened there and handed to them.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from agent.probes import http_ping, http_request, ping, tcp_ping
from agent.probes.icmp import Icmp
from agent.probes.interface import Probe


@contextmanager
def open_probes() -> Iterator[Mapping[str, Probe]]:
    """The probes by task type name; on leaving, what they share is closed."""
    with Icmp() as icmp:
        yield {
            "ping": partial(ping.probe, icmp=icmp),
            "tcp_ping": tcp_ping.probe,
            "http_ping": http_ping.probe,
            "http_request": http_request.probe,
        }
