"""
What a result has to be: the expectations of a job, as they travel from the scheduler to the server.

They are read and found sound here, and judged by the server alone, so that they hold for results of any agent.
"""

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from protocol.errors import Unreadable
from protocol.reading import MALFORMED, Text

_CLASS = re.compile(r"[1-5]xx")

APPLIES_TO = {
    "status": ("http_request", "http_ping"),
    "body_regex": ("http_request",),
    "json": ("http_request",),
    "header": ("http_request",),
    "latency": ("ping", "tcp_ping", "http_ping", "http_request", "dns", "execute"),
    "cert_valid_for": ("http_request", "http_ping", "tcp_ping"),
    "loss": ("ping",),
}
"""Which task types an expectation says anything about, in the order in which they are judged."""

Ms = Annotated[int, Meta(ge=1)]


class Latency(Struct, frozen=True, omit_defaults=True):
    """Above ``warn_ms`` an ok run is degraded, above ``fail_ms`` it failed; ``None`` sets no bound."""

    warn_ms: Ms | None = None
    fail_ms: Ms | None = None


class Expect(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """
    The expectations; what is ``None`` is not looked at.

    ``status`` holds codes and classes such as ``2xx``; ``json`` values by JMESPath expression; ``header`` regular
    expressions by name; ``cert_valid_for_ms`` is how long the certificate must still be valid; ``loss`` the most
    percent of packets that may be lost.
    """

    status: tuple[int | str, ...] | None = None
    body_regex: str | None = None
    json: dict[str, Any] | None = None
    header: dict[str, str] | None = None
    latency: Latency | None = None
    cert_valid_for_ms: Ms | None = None
    loss: Annotated[float, Meta(ge=0, le=100)] | None = None


_read = msgspec.json.Decoder(Expect).decode


def read_expect(text: Text) -> Expect:
    """
    Expectations from their JSON.

    Raises:
        Unreadable: they are none.
    """
    try:
        expect = _read(text)
    except MALFORMED as e:
        raise Unreadable(f"expect: {e}") from e
    for status in expect.status or ():
        if not is_status(status):
            raise Unreadable(f"expect.status: found {status!r}; want a code such as 200 or a class such as 2xx")
    return expect


def is_status(value: int | str) -> bool:
    """Whether this is a status code, or a class of them."""
    return 100 <= value <= 599 if isinstance(value, int) else _CLASS.fullmatch(value) is not None
