"""
Query conditions: a closed union, ANDed by whoever queries.

To add one: its struct, its line in the table, its name in ``Condition``; ``assert_never`` then points at each store.
"""

from collections.abc import Sequence
from typing import assert_never

from msgspec import Struct

from protocol.errors import Unreadable
from protocol.reading import Reader, Text, elements, i64, string, tagged, u64, uuid
from protocol.schemas import COUNT, TEXT, TIME_MS, UUID, array, one_of, variant


class TaskId(Struct, frozen=True):
    """The task with this id."""

    value: int


class BeforeId(Struct, frozen=True):
    """Tasks with a smaller id: the way to page on."""

    value: int


class OfAgent(Struct, frozen=True):
    """Tasks of this agent."""

    uuid: str


class FinishedBetween(Struct, frozen=True):
    """Finished from ``start_ms`` to ``end_ms``, both inclusive; ``None`` leaves that side open."""

    start_ms: int | None
    end_ms: int | None


class Succeeded(Struct, frozen=True):
    """Finished well, finished badly, or (``None``) still running."""

    value: bool | None


class OfType(Struct, frozen=True):
    """Tasks of the type with this name; an unknown name matches nothing."""

    name: str


class FromCron(Struct, frozen=True):
    """Tasks of the job with this name."""

    name: str


class Limit(Struct, frozen=True):
    """The newest ``count``."""

    count: int


class Last(Struct, frozen=True):
    """The newest one, whatever limits stand beside it."""


Condition = TaskId | BeforeId | OfAgent | FinishedBetween | Succeeded | OfType | FromCron | Limit | Last


def _between(text: Text) -> FinishedBetween:
    values = elements(text)
    if len(values) != 2:
        raise Unreadable(f"expected [from, to], found {len(values)} elements")
    return FinishedBetween(i64(values[0]), i64(values[1]))


_tagged: Reader[tuple[str, Condition]] = tagged(
    {
        "task_id": lambda text: TaskId(u64(text)),
        "before_id": lambda text: BeforeId(u64(text)),
        "uuid": lambda text: OfAgent(uuid(text)),
        "timestamp_from_to": _between,
        "timestamp_from": lambda text: FinishedBetween(i64(text), None),
        "timestamp_to": lambda text: FinishedBetween(None, i64(text)),
        "type": lambda text: OfType(string(text)),
        "cron_source": lambda text: FromCron(string(text)),
        "limit": lambda text: Limit(u64(text)),
    },
    {
        "is_success": Succeeded(True),
        "is_failure": Succeeded(False),
        "is_running": Succeeded(None),
        "last": Last(),
    },
)


_RANGE = {**array(TIME_MS), "minItems": 2, "maxItems": 2}
CONDITION_SCHEMA = one_of(
    variant("task_id", COUNT),
    variant("before_id", COUNT),
    variant("uuid", UUID),
    variant("timestamp_from_to", _RANGE),
    variant("timestamp_from", TIME_MS),
    variant("timestamp_to", TIME_MS),
    variant("type", TEXT),
    variant("cron_source", TEXT),
    variant("limit", COUNT),
    {"enum": ["is_success", "is_failure", "is_running", "last"]},
)


def read_condition(text: Text) -> Condition:
    """
    A condition from its JSON.

    Raises:
        Unreadable: it is none.
    """
    return _tagged(text)[1]


def newest_count(conditions: Sequence[Condition]) -> int | None:
    """How many of the newest are asked for; ``None`` for the oldest. ``last`` beats limits, the last limit wins."""
    if any(isinstance(condition, Last) for condition in conditions):
        return 1
    limits = [condition.count for condition in conditions if isinstance(condition, Limit)]
    return limits[-1] if limits else None


def condition_form(condition: Condition) -> object:
    """The condition as plain data, in the form that ``read_condition`` reads."""
    match condition:
        case TaskId(value):
            return {"task_id": value}
        case BeforeId(value):
            return {"before_id": value}
        case OfAgent(agent):
            return {"uuid": agent}
        case FinishedBetween():
            return _between_form(condition)
        case Succeeded(value):
            return {True: "is_success", False: "is_failure", None: "is_running"}[value]
        case OfType(name):
            return {"type": name}
        case FromCron(name):
            return {"cron_source": name}
        case Limit(count):
            return {"limit": count}
        case Last():
            return "last"
        case _:
            assert_never(condition)


def _between_form(condition: FinishedBetween) -> object:
    if condition.end_ms is None:
        return {"timestamp_from": condition.start_ms}
    if condition.start_ms is None:
        return {"timestamp_to": condition.end_ms}
    return {"timestamp_from_to": [condition.start_ms, condition.end_ms]}
