"""
What comes down a connection: a frame is one message or an array of them, replies and task notifications mixed.

Pure. Messages that are neither are dropped, as a stock agent drops them.
"""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from protocol.errors import Unreadable
from protocol.reading import MALFORMED

TASK_METHOD = "task_register_task"
REPLACED_METHOD = "task_registration_replaced"

_ABSENT = Raw(b"")


class Reply(Struct, frozen=True):
    """The answer to a call of ours: ``code`` and ``message`` of its error, or ``code`` ``None`` and its ``result``."""

    id: object
    result: Raw
    code: int | None = None
    message: str = ""


class Frame(Struct, frozen=True):
    """
    The replies and the JSON of the tasks in one frame, each in its order.

    ``is_replaced``: the server says that another connection registered this agent.
    """

    replies: list[Reply]
    tasks: list[Raw]
    is_replaced: bool = False


class _Message(Struct):
    id: Any = None
    method: Any = None
    params: Raw = _ABSENT
    result: Raw = _ABSENT
    error: Any = None


class _Params(Struct):
    result: Raw


_one = msgspec.json.Decoder(_Message).decode
_many = msgspec.json.Decoder(list[_Message]).decode
_params = msgspec.json.Decoder(_Params).decode


def read_frame(text: bytes) -> Frame:
    """
    What a text frame carries.

    Raises:
        Unreadable: it is neither an object nor an array of objects.
    """
    try:
        messages = _many(text) if text.lstrip()[:1] == b"[" else [_one(text)]
    except MALFORMED as e:
        raise Unreadable(str(e)) from e
    replies = [_reply(message) for message in messages if message.method is None]
    tasks = [_task(message.params) for message in messages if message.method == TASK_METHOD]
    is_replaced = any(message.method == REPLACED_METHOD for message in messages)
    return Frame(replies, [task for task in tasks if task is not None], is_replaced)


def _reply(message: _Message) -> Reply:
    error = message.error
    if error is None:
        return Reply(message.id, message.result)
    code, text = (error.get("code"), error.get("message")) if isinstance(error, dict) else (None, error)
    return Reply(message.id, message.result, code if isinstance(code, int) else 0, str(text))


def _task(params: Raw) -> Raw | None:
    """The JSON of a notification's result, ``None`` when it has none."""
    try:
        return _params(params).result
    except MALFORMED:
        return None
