"""
JSON-RPC from bytes to bytes: it parses, dispatches, answers, counts, and never raises.

A batch is worked off in its order; calls of one method that follow each other go to it together where it can take
many.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import groupby

import structlog

from protocol import jsonrpc
from protocol.errors import InternalFailure, MethodNotFound, ResponseTooBig, RpcError, Unreadable
from protocol.jsonrpc import Call, Message, Refused
from protocol.params import read_params
from server.config import RESPONSE_LIMIT_BYTES
from server.methods.interface import Answer, Exchange, Method
from server.metrics.own import OwnMetrics

log = structlog.get_logger()


_BATCH_TOO_BIG = -32011


class _BatchTooBig(Exception):
    """The replies of a batch exceed the limit; its remaining calls are not made."""


class Rpc:
    """Answers frames."""

    def __init__(self, *, methods: Mapping[str, Method], metrics: OwnMetrics) -> None:
        self._methods = methods
        self._metrics = metrics

    async def answer(self, frame: bytes, exchange: Exchange) -> bytes | None:
        """The reply to a frame; ``None`` when nothing is to be said."""
        try:
            messages = jsonrpc.parse(frame)
        except Unreadable:
            self.count_refused(-32700)
            return jsonrpc.PARSE_ERROR
        if not isinstance(messages, list):
            replies = await self._answer_all([messages], frame, exchange, in_batch=False)
            return replies[0] if replies else None
        if not messages:
            return jsonrpc.refuse(jsonrpc.NULL_ID).reply
        try:
            replies = await self._answer_all(messages, frame, exchange, in_batch=True)
        except _BatchTooBig:
            limit = f"Exceeded max limit of {RESPONSE_LIMIT_BYTES}"
            return jsonrpc.error_of(jsonrpc.NULL_ID, _BATCH_TOO_BIG, "The batch response was too large", limit)
        return jsonrpc.batch(replies) if replies else None

    def count_refused(self, code: int) -> None:
        """Count a frame that never became a call."""
        self._metrics.rpc_requests.labels("", code).inc()

    async def _answer_all(
        self, messages: Sequence[Message], frame: bytes, exchange: Exchange, *, in_batch: bool
    ) -> list[bytes]:
        replies: list[bytes] = []
        room_bytes = RESPONSE_LIMIT_BYTES
        for method_name, run in groupby(messages, key=lambda m: m.method if isinstance(m, Call) else None):
            if method_name is None:
                replies.extend(message.reply for message in run if isinstance(message, Refused))
                continue
            calls = [message for message in run if isinstance(message, Call)]
            answers = await self._answer_calls(method_name, calls, frame, exchange)
            new = [_reply(call, answer) for call, answer in zip(calls, answers, strict=True)]
            method = self._methods.get(method_name)
            if in_batch and method is not None and method.subscribes:
                exchange.before_batch.extend(new)
            replies.extend(new)
            room_bytes -= sum(map(len, new))
            if room_bytes < 0 and in_batch:
                self.count_refused(_BATCH_TOO_BIG)
                raise _BatchTooBig
        return replies

    async def _answer_calls(self, name: str, calls: Sequence[Call], frame: bytes, exchange: Exchange) -> list[Answer]:
        method = self._methods.get(name)
        start = asyncio.get_running_loop().time()
        answers: list[Answer]
        if method is None:
            answers = [MethodNotFound() for _ in calls]
        elif method.read_many is not None:
            answers = await self._call_many(method, calls, frame)
        else:
            answers = [await self._call(method, call, exchange) for call in calls]
        label = name if method is not None else ""
        self._metrics.rpc_seconds.labels(label).observe(asyncio.get_running_loop().time() - start)
        self._count(label, answers)
        return answers

    def _count(self, name: str, answers: Iterable[Answer]) -> None:
        for code, count in Counter(a.code if isinstance(a, RpcError) else 0 for a in answers).items():
            self._metrics.rpc_requests.labels(name, code).inc(count)

    async def _call(self, method: Method, call: Call, exchange: Exchange) -> Answer:
        if method.subscribes and exchange.connection is None:
            return InternalFailure()  # the protocol's answer over HTTP, whatever the parameters
        try:
            read = method.read or partial(read_params, method.params)
            return await method.call(read(call.params), exchange)
        except RpcError as e:
            return e
        except Exception:  # the dispatcher's door: a bug is logged and answered, never raised
            log.exception("call failed", method=method.name)
            return InternalFailure()

    async def _call_many(self, method: Method, calls: Sequence[Call], frame: bytes) -> list[Answer]:
        assert method.read_many is not None  # noqa: S101 the caller looked
        assert method.call_many is not None  # noqa: S101 the caller looked
        try:
            params = method.read_many(frame, [call.params for call in calls])
            readable = [found for found in params if not isinstance(found, RpcError)]
            rest = iter(await method.call_many(readable) if readable else [])
            return [found if isinstance(found, RpcError) else next(rest) for found in params]
        except Exception:  # the dispatcher's door, as in ``_call``
            log.exception("calls failed", method=method.name, calls=len(calls))
            return [InternalFailure() for _ in calls]


def _reply(call: Call, answer: Answer) -> bytes:
    if not isinstance(answer, RpcError) and len(answer) > RESPONSE_LIMIT_BYTES:
        answer = ResponseTooBig(RESPONSE_LIMIT_BYTES)
    if isinstance(answer, RpcError):
        return jsonrpc.error(call.id, answer)
    return jsonrpc.result(call.id, answer)
