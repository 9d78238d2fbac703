"""
JSON-RPC 2.0 envelopes, as the peers' library reads and writes them.

``parse`` turns a frame into calls, notifications and refusals; the other functions write replies, members always in
the order jsonrpc, id, result or error. It knows no method. https://www.jsonrpc.org/specification
"""

from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from protocol.errors import RpcError, Unreadable
from protocol.reading import MALFORMED, U64_MAX, repeated, string

PARSE_ERROR = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}'
NULL_ID = b"null"
MEMBERS = ("jsonrpc", "id", "method", "params")


class Call(Struct, frozen=True):
    """A request: ``id`` is its JSON text, to be echoed; ``params`` its JSON text, or ``None`` when absent or null."""

    id: bytes
    method: str
    params: Raw | None


class Notification(Struct, frozen=True):
    """A message without a usable id: never executed, never answered."""

    method: str
    params: Raw | None


class Refused(Struct, frozen=True):
    """A message that is neither; answered with ``reply``, the whole error object."""

    reply: bytes


Message = Call | Notification | Refused

_ABSENT = Raw(b"")


class _Envelope(Struct):
    jsonrpc: Raw = _ABSENT
    id: Raw = _ABSENT
    method: Raw = _ABSENT
    params: Raw = _ABSENT


class _PlainCall(Struct):
    jsonrpc: Literal["2.0"]
    id: Annotated[int, Meta(ge=0)]
    method: str
    params: Raw


_plain_calls = msgspec.json.Decoder(list[_PlainCall]).decode
_one = msgspec.json.Decoder(_Envelope).decode
_elements = msgspec.json.Decoder(list[Raw]).decode


def parse(frame: bytes) -> Message | list[Message]:
    """
    The message, or the messages of a batch, in their order.

    Raises:
        Unreadable: the frame is no JSON document, or an object that is no message and has no id (answer
            ``PARSE_ERROR``).
    """
    try:
        if frame.lstrip()[:1] == b"[":
            return _parse_batch(frame)
        message = _message(_one(frame), repeated(frame, MEMBERS))
    except MALFORMED as e:
        raise Unreadable(str(e)) from e
    if message is None:
        raise Unreadable("neither a request nor a notification")
    return message


def _parse_batch(frame: bytes) -> list[Message]:
    """Calls as agents send them are read in one go; a batch with anything else in it element by element."""
    try:
        calls = _plain_calls(frame)
    except msgspec.ValidationError:
        return [_element(raw) for raw in _elements(frame)]
    # One count over the frame clears all its calls of repeated members at once.
    repeats = any(frame.count(b'"%b"' % name.encode()) > len(calls) for name in MEMBERS)
    if repeats or b"\\u00" in frame or any(call.id > U64_MAX for call in calls):
        return [_element(raw) for raw in _elements(frame)]
    return [Call(b"%d" % call.id, call.method, _params(call.params)) for call in calls]


def _params(text: Raw) -> Raw | None:
    return None if bytes(text) in (b"", b"null") else text


def _element(raw: Raw) -> Message:
    if bytes(raw)[:1] != b"{":
        return refuse(NULL_ID)
    return _message(_one(raw), repeated(raw, MEMBERS)) or refuse(NULL_ID)


def _message(envelope: _Envelope, repeats: set[str]) -> Message | None:
    """The message of an envelope; ``None`` when it is none and has no id to answer to."""
    id_ = None if "id" in repeats else _id(bytes(envelope.id))
    method = None if repeats & {"jsonrpc", "method", "params"} else _method(envelope)
    if method is None:
        return None if id_ is None else refuse(id_)
    given = _params(envelope.params)
    return Notification(method, given) if id_ is None else Call(id_, method, given)


def _method(envelope: _Envelope) -> str | None:
    if bytes(envelope.jsonrpc) != b'"2.0"':
        return None
    try:
        return string(envelope.method)
    except Unreadable:
        return None


def _id(text: bytes) -> bytes | None:
    """The id's text when it is an unsigned 64-bit integer, a string or null; else ``None``."""
    if text.isdigit():
        return text if len(text) <= 20 and int(text) <= U64_MAX else None
    if text[:1] == b'"':
        try:
            return msgspec.json.encode(string(text))
        except Unreadable:
            return None
    return text if text == NULL_ID else None


def result(id_: bytes, value: bytes) -> bytes:
    """A success reply; ``value`` is JSON text."""
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (id_, value)


def error(id_: bytes, failure: RpcError) -> bytes:
    """An error reply."""
    return error_of(id_, failure.code, failure.message, failure.data)


def error_of(id_: bytes, code: int, message: str, data: str | None = None) -> bytes:
    """An error reply from its parts; ``data`` ``None`` leaves the member out."""
    tail = b"" if data is None else b',"data":' + msgspec.json.encode(data)
    parts = (id_, code, msgspec.json.encode(message), tail)
    return b'{"jsonrpc":"2.0","id":%b,"error":{"code":%d,"message":%b%b}}' % parts


def refuse(id_: bytes) -> Refused:
    """What an invalid request is answered with."""
    return Refused(error_of(id_, -32600, "Invalid request"))


def batch(replies: Iterable[bytes]) -> bytes:
    """The reply to a batch, or a batch of calls or notifications."""
    return b"[" + b",".join(replies) + b"]"


def call(id_: int, method: str, params: bytes) -> bytes:
    """A request; ``params`` is JSON text."""
    return b'{"jsonrpc":"2.0","id":%d,"method":"%b","params":%b}' % (id_, method.encode(), params)


def notification(method: str, subscription: int, payload: bytes) -> bytes:
    """An event of a subscription, named by the method that subscribed."""
    parts = (method.encode(), subscription, payload)
    return b'{"jsonrpc":"2.0","method":"%b","params":{"subscription":%d,"result":%b}}' % parts
