"""
Measuring options: what a task's own form has no field for. Here is what those of several task types share.

The options of one type stand in its file as a struct on ``Options``. Each option has a ``Meta`` whose description says
what it may be, which is what a person reads who gave another value.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct
from msgspec.structs import FieldInfo, fields

from protocol.errors import Unreadable
from protocol.reading import MALFORMED, Reader, Text, members, plain

LARGEST_BODY = 64 * 1024 * 1024
_SHOWN = 40
_SECRET = "secret"  # noqa: S105 the name of a mark

# Python's ``$`` takes a final newline too, JSON Schema's does not.
_NAME = r"^[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*$(?!\n)"
_PROXY = r"^http://([^/?#\s@]+@)?(\[[0-9A-Fa-f:.]+\]|[^/?#\s:@\[\]]+)(:[0-9]{1,5})?/?$(?!\n)"

Family = Annotated[Literal[4, 6] | None, Meta(description="4, 6, or null for either")]
Flag = Annotated[bool, Meta(description="true or false")]
ServerName = Annotated[
    Annotated[str, Meta(pattern=_NAME, max_length=253)] | None, Meta(description="a host name, or null for the URL's")
]
Proxy = Annotated[
    Annotated[str, Meta(pattern=_PROXY)] | None,
    Meta(description="http://host:port, or null for none", extra={_SECRET: True}),
]
HttpVersion = Annotated[
    Literal["1.0", "1.1"] | None, Meta(description='"1.0", "1.1", or null for "1.1"; no other can be spoken')
]
MaxBody = Annotated[int, Meta(ge=1, le=LARGEST_BODY, description=f"1 to {LARGEST_BODY} bytes")]


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to measure; what is left out is measured as without options."""


class HttpOptions(Options, frozen=True, kw_only=True):
    """
    One HTTP exchange.

    ``family`` is that of the connection, which with a ``proxy`` is the one to it; ``None`` leaves it to the system.
    ``verify_tls`` off takes any certificate. ``server_name`` is what TLS asks for and the certificate is checked
    against, ``None`` the URL's host; a redirect to another host asks for that one. ``proxy`` is an HTTP proxy's URL.
    ``http_version`` ``None`` is 1.1. ``max_body`` is how many bytes of a body are read at most; a larger one is a
    failure.
    """

    family: Family = None
    follow_redirects: Flag = True
    verify_tls: Flag = True
    server_name: ServerName = None
    proxy: Proxy = None
    http_version: HttpVersion = None
    max_body: MaxBody = LARGEST_BODY


def reader(form: type[Options]) -> Reader[Any]:
    """A reader of these options; it raises ``Unreadable`` with ``options.NAME: what was found; what to do``."""
    read_object = plain(form)

    def read(text: Text) -> Any:
        try:
            return read_object(text)
        except Unreadable as e:
            raise Unreadable(_complaint(form, text) or f"options: {e}") from e

    return read


def _complaint(form: type[Options], text: Text) -> str | None:
    """What is wrong with the first option that is; ``None`` when the text is no object at all."""
    try:
        given = members(text)
    except Unreadable:
        return None
    known = {field.encode_name: field for field in fields(form)}
    for name, value in given.items():
        if name not in known:
            return f"options.{name[:_SHOWN]}: unknown option; want one of {', '.join(known)}"
        if not _fits(value, known[name]):
            return f"options.{name}: {_found(value, known[name])}; want {_meta(known[name]).description}"
    return None


def _fits(value: Raw, field: FieldInfo) -> bool:
    try:
        msgspec.json.decode(value, type=field.type)
    except MALFORMED:
        return False
    return True


def _found(value: Raw, field: FieldInfo) -> str:
    if (_meta(field).extra or {}).get(_SECRET):
        return "found something else"
    shown = bytes(value).decode(errors="replace")
    return f"found {shown if len(shown) <= _SHOWN else shown[:_SHOWN] + '…'}"


def _meta(field: FieldInfo) -> Meta:
    meta: Meta = field.type.__metadata__[-1]
    return meta
