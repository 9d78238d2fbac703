"""``http_request``: one HTTP request of any kind; the result is the response."""

import base64
import binascii
import ipaddress
import re

from msgspec import Struct
from msgspec.structs import force_setattr

from protocol.options import HttpOptions
from protocol.reading import Reader, normal_url, struct
from protocol.tasks.interface import TaskType
from protocol.urls import public_part

# RFC 9110, 5.6.2: a method is a token.
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


class HttpRequest(Struct, frozen=True):
    """
    ``body`` and ``body_base64`` exclude each other. ``ip`` chooses the egress: ``ipv4 auto``, ``ipv6 auto`` or a local
    address; ``None`` or blank leaves it to the system.
    """

    url: str
    method: str
    headers: dict[str, str] = {}
    body: str | None = None
    body_base64: str | None = None
    ip: str | None = None

    def __post_init__(self) -> None:
        force_setattr(self, "url", normal_url(self.url))
        force_setattr(self, "headers", dict(sorted(self.headers.items())))

    def content(self) -> bytes | None:
        """The request's body, or ``None`` for none; ``body_base64`` must have been found valid."""
        if self.body_base64 is not None:
            return base64.b64decode(self.body_base64, validate=True)
        return None if self.body is None else self.body.encode()


class HttpResponse(Struct, frozen=True):
    """``headers`` in received order, one map a line; a body that is no UTF-8 is in ``body_base64`` instead."""

    status: int
    headers: list[dict[str, str]]
    body: str | None = None
    body_base64: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.status <= 65535:
            raise ValueError(f"status {self.status} does not fit an unsigned 16-bit integer")
        force_setattr(self, "headers", [dict(sorted(line.items())) for line in self.headers])


class HttpRequestOptions(HttpOptions, frozen=True, kw_only=True):
    """Those of any HTTP exchange."""


def refuse(request: HttpRequest) -> str | None:
    """What is wrong with a request that decodes, in the words of a stock agent; ``None`` when nothing is."""
    if request.body is not None and request.body_base64 is not None:
        return "http_request.body and http_request.body_base64 are mutually exclusive"
    if not _TOKEN.fullmatch(request.method.strip()):
        return f"Invalid http_request.method: '{request.method}' is not an HTTP method"
    try:
        request.content()
    except binascii.Error as e:
        return f"Invalid http_request.body_base64: {e}"
    if not _is_egress((request.ip or "").strip()):
        return f"Invalid http_request.ip '{request.ip}': want 'ipv4 auto', 'ipv6 auto' or an IP address"
    return None


def refuse_family(request: HttpRequest, options: HttpRequestOptions) -> str | None:
    """What is wrong with an egress of the other family than the options have; ``None`` when nothing is."""
    ip = (request.ip or "").strip()
    if not ip or options.family is None:
        return None
    version = {"ipv4 auto": 4, "ipv6 auto": 6}.get(ip.lower()) or ipaddress.ip_address(ip).version
    return (
        None if version == options.family else f"http_request.ip '{ip}' is not IPv{options.family}: see options.family"
    )


def _is_egress(ip: str) -> bool:
    if ip.lower() in ("", "ipv4 auto", "ipv6 auto"):
        return True
    try:
        ipaddress.ip_address(ip)
    except ValueError:
        return False
    return True


_read: Reader[HttpRequest] = struct(HttpRequest)

HTTP_REQUEST = TaskType(
    name="http_request",
    read_task=_read,
    read_result=struct(HttpResponse),
    target=lambda request: public_part(request.url),
    refuse=refuse,
    payload=HttpRequest,
    result=HttpResponse,
    options=HttpRequestOptions,
)
