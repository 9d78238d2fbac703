"""``task_*``: the parameters of its methods, and the items of a batch."""

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Raw, Struct

from protocol.conditions import CONDITION_SCHEMA, Condition, read_condition
from protocol.errors import InvalidParams, Unreadable
from protocol.events import RESPONSE_SCHEMA, TaskResponse, read_response, read_uploads
from protocol.expect import Expect
from protocol.params import U64, ReadBy, Uuid, read_params
from protocol.reading import Text, elements, plain, sequence, struct, u64
from protocol.schemas import COUNT, FLAG, TEXT, TIME_MS, UUID, array, nullable, record
from protocol.stats import QUERY_SCHEMA, StatsQuery, read_stats_query
from protocol.tasks import TASK_SCHEMA, read_task
from protocol.tasks.interface import Task


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


NULL = Raw(b"null")


class NewTask(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    One task to be created in a batch: (``cron_source``, ``cell``, ``target_uuid``, ``scheduled_at``) is its key, and a
    second one with the same key creates nothing.

    ``task_type`` is the task object's JSON. ``scheduled_at`` is ms since the epoch; ``timeout_ms`` counts from
    dispatch to the stored result. ``cell`` is the matrix combination, ``""`` for none; ``agent_name`` is for labels,
    ``None`` takes the UUID, and so is ``target``, where ``None`` takes that of the task. ``expect`` and ``options`` are
    the JSON of expectations and measuring options, ``null`` for none.

    ``secrets`` are values by their references in the texts; the server resolves them right before it uses the text and
    keeps no value. With ``skip_overlap`` a task of the series that still runs ends this one at once;
    ``in_maintenance`` marks the row.
    """

    target_uuid: str
    task_type: Raw
    cron_source: str
    scheduled_at: int
    timeout_ms: int
    cell: str = ""
    agent_name: str | None = None
    target: str | None = None
    expect: Raw = NULL
    options: Raw = NULL
    secrets: dict[str, str] = {}
    skip_overlap: bool = False
    in_maintenance: bool = False


class ClientInfo(Struct, frozen=True):
    """What a cronprobe agent says of itself when it registers; with ``batch`` it takes and sends batches."""

    client: str = ""
    batch: bool = False
    labels: dict[str, str] = {}


TaskObject = Annotated[Task, ReadBy(read_task, TASK_SCHEMA)]


_DATA_QUERY = record({"condition": array(CONDITION_SCHEMA)}, {"detail": FLAG})
_NEW_TASK = record(
    {"target_uuid": UUID, "task_type": TASK_SCHEMA, "cron_source": TEXT, "scheduled_at": TIME_MS, "timeout_ms": COUNT},
    {
        "cell": TEXT,
        "agent_name": nullable(TEXT),
        "target": nullable(TEXT),
        "expect": nullable(Expect),
        "options": nullable({"type": "object"}),
        "secrets": {"type": "object", "additionalProperties": TEXT},
        "skip_overlap": FLAG,
        "in_maintenance": FLAG,
    },
)


class RegisterTask(Struct, frozen=True):
    """``client`` is ``None`` for a stock agent."""

    token: str
    uuid: Uuid
    client: Annotated[ClientInfo | None, ReadBy(plain(ClientInfo | None), nullable(ClientInfo))] = None


class Unsubscribe(Struct, frozen=True):
    """End a subscription; see ``read_unsubscribe``."""

    subscription: int


def read_unsubscribe(params: Raw | None) -> int | None:
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
    tasks: Annotated[list[NewTask], ReadBy(plain(list[NewTask]), array(_NEW_TASK))]


class UploadTaskResult(Struct, frozen=True):
    """One result."""

    token: str
    task_response: Annotated[TaskResponse, ReadBy(read_response, RESPONSE_SCHEMA)]


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
    task_data_query: Annotated[TaskDataQuery, ReadBy(read_data_query, _DATA_QUERY)]


class QueryStats(Struct, frozen=True):
    """Counts and latencies of the rows that match, by group."""

    token: str
    task_stats_query: Annotated[StatsQuery, ReadBy(read_stats_query, QUERY_SCHEMA)]


class SubscribeResults(Struct, frozen=True):
    """Every row that ends from now on and matches."""

    token: str
    task_data_query: Annotated[TaskDataQuery, ReadBy(read_data_query, _DATA_QUERY)]


class DeleteTask(Struct, frozen=True):
    """Delete the rows that match."""

    token: str
    conditions: Annotated[tuple[Condition, ...], ReadBy(_conditions, array(CONDITION_SCHEMA))]


class Created(Struct, frozen=True, omit_defaults=True):
    """
    The answer to one item of a batch: its task's id, or why there is none.

    ``duplicate``: the key existed, ``id`` is that of the task made then. ``overlap``: it ended at once because the one
    before still runs. ``error`` is an error object's message.
    """

    id: int | None = None
    duplicate: bool = False
    overlap: bool = False
    code: int | None = None
    error: str | None = None
