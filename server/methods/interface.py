"""What a method of the server is: a name, the form of its parameters, and what it does."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from protocol.errors import InternalFailure, RpcError
from protocol.methods.task import Unsubscribe, read_unsubscribe
from protocol.schemas import FLAG, Schema
from server.connection import Connection


class Exchange:
    """
    One frame of a caller, and what its handling leaves to be done.

    ``connection`` is ``None`` over HTTP, which cannot carry subscriptions. ``after_reply`` is called once the reply is
    written; ``before_batch`` are replies that go out by themselves, before the batch that repeats them.
    """

    def __init__(self, connection: Connection | None = None) -> None:
        self.connection = connection
        self.after_reply: list[Callable[[], None]] = []
        self.before_batch: list[bytes] = []

    def need_connection(self) -> Connection:
        """
        The WebSocket that a subscription needs.

        Raises:
            InternalFailure: the frame came over HTTP; that is the protocol's answer to it.
        """
        if self.connection is None:
            raise InternalFailure
        return self.connection


Answer = bytes | RpcError


class Method(Struct, frozen=True, kw_only=True):
    """
    ``summary`` is one line for callers, ``result`` the schema of what they get.

    ``read`` reads the parameters where the rules of ``params`` do not hold.

    ``call`` gives the result as JSON text or raises ``RpcError``.

    ``call_many``, where given, answers calls that follow each other in a batch in one go, with the parameters that
    ``read_many`` reads from the frame and its calls: the parameters, or the error, of each.

    ``subscribes``: the reply to a call in a batch also goes out by itself.
    """

    name: str
    summary: str
    params: type[Any]
    result: Schema
    read: Callable[[Raw | None], Any] | None = None
    call: Callable[[Any, Exchange], Awaitable[bytes]]
    read_many: Callable[[bytes, Sequence[Raw | None]], Sequence[Any]] | None = None
    call_many: Callable[[Sequence[Any]], Awaitable[list[Answer]]] | None = None
    subscribes: bool = False


def unsubscribing(name: str) -> Method:
    """The method of this name that ends a subscription of its own connection."""

    async def unsubscribe(subscription: int | None, exchange: Exchange) -> bytes:
        return json_text(exchange.need_connection().unsubscribe(subscription))

    return Method(
        name=name,
        summary="End a subscription of this connection.",
        params=Unsubscribe,
        result=FLAG,
        read=read_unsubscribe,
        call=unsubscribe,
    )


def json_text(value: object) -> bytes:
    """``value`` as JSON."""
    return msgspec.json.encode(value)
