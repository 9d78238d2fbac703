"""
The parameters of each method that we serve or call, and how they are read from JSON.

Parameters come by position (surplus ignored) or by name (snake_case or lowerCamelCase, unknown ignored). To add a
method: its struct here, its row in ``server/methods/``.
"""

import typing
from collections.abc import Callable, Hashable, Sequence
from functools import cache
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from protocol.conditions import Condition, read_condition
from protocol.errors import InvalidParams, Unreadable
from protocol.events import TaskResponse, read_response, read_uploads
from protocol.permissions import Limit, read_limit
from protocol.reading import Reader, Text, elements, members, plain, refuse_repeats, sequence, struct, u64, uuid
from protocol.tasks import read_task
from protocol.tasks.interface import Task

T = TypeVar("T")


class ReadBy(Struct, frozen=True):
    """Marks a parameter whose JSON is read by a function of ours instead of msgspec."""

    read: Callable[[Text], Any]


class TaskDataQuery(Struct, frozen=True):
    """``detail`` adds our own columns to the eight of the protocol."""

    condition: tuple[Condition, ...]
    detail: bool = False


class _TaskDataQuery(Struct):
    condition: Raw
    detail: Any = None


_conditions = sequence(read_condition)
_read_data_query = struct(_TaskDataQuery, extensions=1)


def read_data_query(text: Text) -> TaskDataQuery:
    """
    A query from its JSON.

    Raises:
        Unreadable: it is none.
    """
    query = _read_data_query(text)
    return TaskDataQuery(_conditions(query.condition), query.detail is True)


class NewTask(Struct, frozen=True, kw_only=True):
    """
    One task to be created in a batch: (``cron_source``, ``cell``, ``target_uuid``, ``scheduled_at``) is its key, and a
    second one with the same key creates nothing.

    ``task_type`` is the task object's JSON. ``scheduled_at`` is ms since the epoch; ``timeout_ms`` counts from
    dispatch to the stored result. ``cell`` is the matrix combination, ``""`` for none; ``agent_name`` is for labels,
    ``None`` takes the UUID.
    """

    target_uuid: str
    task_type: Raw
    cron_source: str
    scheduled_at: int
    timeout_ms: int
    cell: str = ""
    agent_name: str | None = None


class ClientInfo(Struct, frozen=True):
    """What a cronprobe agent says of itself when it registers; with ``batch`` it takes and sends batches."""

    client: str = ""
    batch: bool = False
    labels: dict[str, str] = {}


class TokenCreation(Struct, frozen=True):
    """A token to be made; times are ms since the epoch, ``None`` leaves that side open."""

    username: str | None
    password: str | None
    timestamp_from: int | None
    timestamp_to: int | None
    version: int | None
    token_limit: tuple[Limit, ...]


class _TokenCreation(Struct):
    token_limit: Raw
    username: str | None = None
    password: str | None = None
    timestamp_from: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    timestamp_to: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    version: Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)] | None = None


def read_token_creation(text: Text) -> TokenCreation:
    """
    A token's description from its JSON object.

    Raises:
        Unreadable: it is none.
    """
    refuse_repeats(text, TokenCreation.__struct_fields__)
    creation = plain(_TokenCreation)(text)
    return TokenCreation(
        creation.username,
        creation.password,
        creation.timestamp_from,
        creation.timestamp_to,
        creation.version,
        sequence(read_limit)(creation.token_limit),
    )


Uuid = Annotated[str, ReadBy(uuid)]
U64 = Annotated[int, ReadBy(u64)]
TaskObject = Annotated[Task, ReadBy(read_task)]


class NoParams(Struct, frozen=True):
    """For methods without parameters, which ignore whatever is given."""


class RegisterTask(Struct, frozen=True):
    """``client`` is ``None`` for a stock agent."""

    token: str
    uuid: Uuid
    client: Annotated[ClientInfo | None, ReadBy(plain(ClientInfo | None))] = None


class UnregisterTask(Struct, frozen=True):
    """End a subscription; see ``read_unregister``."""

    subscription: int


def read_unregister(params: Raw | None) -> int | None:
    """The subscription's id from an array of just that; ``None`` for anything else, which is no error."""
    try:
        values = elements(params or b"[]")
        return u64(values[0]) if len(values) == 1 else None
    except Unreadable:
        return None


class CreateTask(Struct, frozen=True):
    """One task, now."""

    token: str
    target_uuid: Uuid
    task_type: TaskObject


class CreateTaskBlocking(Struct, frozen=True):
    """One task, now, and its result; the wait is ``timeout_ms``, 300,000 at most."""

    token: str
    target_uuid: Uuid
    task_type: TaskObject
    timeout_ms: U64


class CreateBatch(Struct, frozen=True):
    """Many tasks of schedules, written in one commit."""

    token: str
    tasks: Annotated[list[NewTask], ReadBy(plain(list[NewTask]))]


class UploadTaskResult(Struct, frozen=True):
    """One result."""

    token: str
    task_response: Annotated[TaskResponse, ReadBy(read_response)]


def read_upload_params(frame: bytes, calls: Sequence[Raw | None]) -> list[UploadTaskResult | InvalidParams]:
    """``read_params`` for all uploads of a frame."""
    usual = read_uploads(frame, [params or b"" for params in calls])
    return [
        _read_upload_with_care(params) if upload is None else UploadTaskResult(*upload)
        for params, upload in zip(calls, usual, strict=True)
    ]


def _read_upload_with_care(params: Raw | None) -> UploadTaskResult | InvalidParams:
    try:
        return read_params(UploadTaskResult, params)
    except InvalidParams as e:
        return e


class QueryTask(Struct, frozen=True):
    """Rows that match."""

    token: str
    task_data_query: Annotated[TaskDataQuery, ReadBy(read_data_query)]


class DeleteTask(Struct, frozen=True):
    """Delete the rows that match."""

    token: str
    conditions: Annotated[tuple[Condition, ...], ReadBy(_conditions)]


class ReportSummary(Struct, frozen=True):
    """A monitoring report of a stock agent: authorised and dropped, never decoded."""

    token: str
    data: Raw


class ReportDynamic(Struct, frozen=True):
    """As ``ReportSummary``."""

    token: str
    dynamic_monitoring_data: Raw


class ReportStatic(Struct, frozen=True):
    """As ``ReportSummary``."""

    token: str
    static_monitoring_data: Raw


Report = ReportSummary | ReportDynamic | ReportStatic


class ListAgents(Struct, frozen=True):
    """Every agent that is known, connected or not."""

    token: str


class CreateToken(Struct, frozen=True):
    """Make a token; ``father_token`` must be the root token."""

    father_token: str
    token_creation: Annotated[TokenCreation, ReadBy(read_token_creation)]


class GetToken(Struct, frozen=True):
    """A token's record; with ``supertoken``, ``token`` may be a bare key or username."""

    token: str
    supertoken: str | None = None


class ListTokens(Struct, frozen=True):
    """All token records."""

    token: str


class DeleteToken(Struct, frozen=True):
    """Delete the token with this key or username."""

    token: str
    target_token: str


class _Parameter(Struct, frozen=True):
    name: str
    read: Reader[Any]
    optional: bool


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


@cache
def _parameters(form: Any) -> tuple[_Parameter, ...]:
    hints = typing.get_type_hints(form, include_extras=True)
    fields = {field.name: field for field in msgspec.structs.fields(form)}
    parameters = []
    for name, hint in hints.items():
        marks = [mark for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, ReadBy)]
        parameters.append(_Parameter(name, marks[0].read if marks else plain(hint), not fields[name].required))
    return tuple(parameters)


def read_params(form: type[T], text: Raw | None) -> T:
    """
    The parameters of a call, from the JSON of ``params``; ``None`` when that is absent or null.

    Raises:
        InvalidParams: they cannot be decoded.
    """
    parameters = _parameters(typing.cast(Hashable, form))
    if not parameters:
        return form()
    try:
        values = _by_name(parameters, text) if _is_object(text) else _by_position(parameters, text)
        return form(*values)
    except Unreadable as e:
        raise InvalidParams(str(e)) from e


def _is_object(text: Raw | None) -> bool:
    return text is not None and bytes(text)[:1] == b"{"


def _by_position(parameters: tuple[_Parameter, ...], text: Raw | None) -> list[Any]:
    given = [] if text is None else elements(text)
    values = []
    for index, parameter in enumerate(parameters):
        if index < len(given):
            values.append(_value(parameter, given[index]))
        elif not parameter.optional:
            raise Unreadable("No more params")
    return values


def _by_name(parameters: tuple[_Parameter, ...], text: Raw | None) -> list[Any]:
    given = members(text or b"{}")
    values = []
    for parameter in parameters:
        spellings = {parameter.name, _camel(parameter.name)}
        refuse_repeats(text or b"{}", spellings)
        found = [given[spelling] for spelling in spellings if spelling in given]
        if len(found) > 1:
            raise Unreadable(f"duplicate field `{parameter.name}`")
        if not found and not parameter.optional:
            raise Unreadable(f"missing field `{parameter.name}`")
        values.append(_value(parameter, found[0]) if found else None)
    return values


def _value(parameter: _Parameter, text: Raw) -> Any:
    if parameter.optional and bytes(text) == b"null":
        return None
    return parameter.read(text)


class Created(Struct, frozen=True, omit_defaults=True):
    """
    The answer to one item of a batch: its task's id, or why there is none.

    ``duplicate``: the key existed, ``id`` is that of the task made then. ``error`` is an error object's message.
    """

    id: int | None = None
    duplicate: bool = False
    code: int | None = None
    error: str | None = None
