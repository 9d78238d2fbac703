"""What travels between server and agent: a task on its way out, a response on its way back."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from protocol.errors import Unreadable
from protocol.options import Options
from protocol.reading import U64_MAX, Reader, Text, is_suspect, normal_uuid, plain, struct
from protocol.schemas import COUNT, FLAG, TEXT, TIME_MS, UUID, nullable, record
from protocol.tasks import RESULT_SCHEMA, TASK_TYPES, form, read_options, read_result, read_task
from protocol.tasks.interface import Result, Task

_NULL = Raw(b"null")


class TaskEvent(Struct, frozen=True):
    """
    One task for one agent.

    ``timeout_ms``, ``deadline`` (ms since the epoch, the server's clock) and ``options`` come from a cronprobe server
    only, ``None`` otherwise.
    """

    task_id: int
    task_token: str
    task: Task
    timeout_ms: int | None = None
    deadline: int | None = None
    options: Options | None = None


class _TaskEvent(Struct):
    task_id: int
    task_token: str
    task_event_type: Raw
    timeout_ms: int | None = None
    deadline: int | None = None
    options: Raw = _NULL


_read_event: Reader[_TaskEvent] = plain(_TaskEvent)


def read_event(text: Text) -> TaskEvent:
    """
    A task as the agent receives it.

    Raises:
        Unreadable: it is none, or its type or one of its options is unknown here.
    """
    event = _read_event(text)
    task = read_task(event.task_event_type)
    options = read_options(task.name, event.options)
    return TaskEvent(event.task_id, event.task_token, task, event.timeout_ms, event.deadline, options)


class TaskResponse(Struct, frozen=True):
    """
    What an agent uploads. ``timestamp`` is its clock at completion, ms since the epoch.

    ``started_at`` (ms), ``reason`` (a word of ``outcomes.Reason``) and ``detail`` come from a cronprobe agent only.
    """

    task_id: int
    agent_uuid: str
    task_token: str
    timestamp: int
    success: bool
    error_message: str | None
    task_event_result: Result | None
    started_at: int | None = None
    reason: str | None = None
    detail: dict[str, Any] | None = None


class _TaskResponse(Struct):
    task_id: int
    agent_uuid: str
    task_token: str
    timestamp: int
    success: bool
    error_message: str | None = None
    task_event_result: Raw = _NULL
    started_at: Any = None
    reason: Any = None
    detail: Any = None

    def __post_init__(self) -> None:
        if not (0 <= self.task_id <= U64_MAX and 0 <= self.timestamp <= U64_MAX):
            raise ValueError("task_id and timestamp are unsigned 64-bit integers")


RESPONSE_SCHEMA = record(
    {"task_id": COUNT, "agent_uuid": UUID, "task_token": TEXT, "timestamp": COUNT, "success": FLAG},
    {
        "error_message": nullable(TEXT),
        "task_event_result": nullable(RESULT_SCHEMA),
        "started_at": nullable(TIME_MS),
        "reason": nullable(TEXT),
        "detail": nullable({"type": "object"}),
    },
)
_STOCK_FIELDS = 7
_read_response = struct(_TaskResponse, extensions=len(_TaskResponse.__struct_fields__) - _STOCK_FIELDS)


def read_response(text: Text) -> TaskResponse:
    """
    A response as the server receives it. An ill-formed extension is dropped: stock peers may use the same names.

    Raises:
        Unreadable: it is none, or its result is no known variant.
    """
    response = _read_response(text)
    raw = response.task_event_result
    return _complete(response, None if bytes(raw) == b"null" else read_result(raw))


class _Upload(_TaskResponse):
    task_event_result: dict[str, Raw] | None = None  # type: ignore[assignment]


_ONCE = tuple(b'"%b"' % name.encode() for name in _TaskResponse.__struct_fields__[:_STOCK_FIELDS])
_read_pair: Reader[tuple[str, _Upload]] = plain(tuple[str, _Upload])


def read_uploads(frame: bytes, params: Sequence[Text]) -> list[tuple[str, TaskResponse] | None]:
    """
    (token, response) of each upload of a frame that writes it as agents do: by position, no member twice.

    ``None`` stands for one that has to be read with care. This is the call that there are the most of: the look for
    repeated members is taken once a frame.
    """
    if is_suspect(frame, _ONCE, len(params)):
        return [None] * len(params)
    uploads = [_read_upload(text) for text in params]
    results = [upload[1].task_event_result for upload in uploads if upload is not None]
    variants = {b'"%b"' % result.name.encode() for result in results if result is not None}
    return [None] * len(params) if is_suspect(frame, variants, len(params)) else uploads


def _read_upload(text: Text) -> tuple[str, TaskResponse] | None:
    try:
        token, upload = _read_pair(text)
        entries = upload.task_event_result
        if entries is None:
            return token, _complete(upload, None)
        if len(entries) != 1:
            return None
        [(name, payload)] = entries.items()
        return token, _complete(upload, Result(name, TASK_TYPES[name].read_result(payload)))
    except (Unreadable, KeyError):
        return None


def _complete(response: _TaskResponse, result: Result | None) -> TaskResponse:
    started, reason, detail = response.started_at, response.reason, response.detail
    return TaskResponse(
        response.task_id,
        normal_uuid(response.agent_uuid),
        response.task_token,
        response.timestamp,
        response.success,
        response.error_message,
        result,
        started if type(started) is int and 0 <= started < 2**63 else None,
        reason if type(reason) is str else None,
        detail if type(detail) is dict else None,
    )


def response_text(response: TaskResponse, *, order: Literal["sorted"] | None = None, extensions: bool = False) -> bytes:
    """The JSON of a response in declaration order, or with ``order="sorted"`` in byte order."""
    result = response.task_event_result
    members: dict[str, object] = {
        "task_id": response.task_id,
        "agent_uuid": response.agent_uuid,
        "task_token": response.task_token,
        "timestamp": response.timestamp,
        "success": response.success,
        "error_message": response.error_message,
        "task_event_result": None if result is None else form(result),
    }
    if extensions:
        ours = {"started_at": response.started_at, "reason": response.reason, "detail": response.detail}
        members |= {name: value for name, value in ours.items() if value is not None}
    return msgspec.json.encode(members, order=order)
