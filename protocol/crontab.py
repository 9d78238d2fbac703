"""
Cron jobs and their ticks in the words of the protocol: what a job runs, and how its ticks are asked for.

The conditions are a closed union, as those of tasks are; ``assert_never`` points at each store.
"""

from collections.abc import Sequence
from typing import Any, assert_never

import msgspec
from msgspec import Raw, Struct

from protocol.errors import Unreadable
from protocol.reading import Reader, Text, elements, i64, plain, sequence, string, tagged, u64, uuid
from protocol.schemas import (
    ANYTHING,
    COUNT,
    FLAG,
    TEXT,
    TIME_MS,
    UUID,
    WHOLE,
    Schema,
    array,
    nullable,
    one_of,
    record,
    variant,
)
from protocol.tasks import TASK_SCHEMA, form, read_task
from protocol.tasks.interface import Task


class AgentCron(Struct, frozen=True):
    """A task for each of these agents."""

    agents: tuple[str, ...]
    task: Task


class ServerCron(Struct, frozen=True):
    """A script that a stock server would run; ``arguments`` is any JSON."""

    script: str
    arguments: Any


CronType = AgentCron | ServerCron


def _pair(text: Text) -> tuple[Raw, Raw]:
    values = elements(text)
    if len(values) != 2:
        raise Unreadable(f"expected 2 elements, found {len(values)}")
    return values[0], values[1]


_uuids = sequence(uuid)
_agent_work: Reader[tuple[str, Task]] = tagged({"task": read_task}, {})
_any: Reader[Any] = plain(Any)


def _agent_cron(text: Text) -> AgentCron:
    agents, work = _pair(text)
    return AgentCron(tuple(_uuids(agents)), _agent_work(work)[1])


def _script(text: Text) -> ServerCron:
    name, arguments = _pair(text)
    return ServerCron(string(name), _any(arguments))


_server_work: Reader[tuple[str, ServerCron]] = tagged({"js_worker": _script}, {})
_cron_types: dict[str, Reader[CronType]] = {"agent": _agent_cron, "server": lambda text: _server_work(text)[1]}
_cron_type: Reader[tuple[str, CronType]] = tagged(_cron_types, {})


def _two(first: Schema, second: Schema) -> Schema:
    return {"type": "array", "items": [first, second], "minItems": 2, "maxItems": 2}


CRON_TYPE_SCHEMA = one_of(
    variant("agent", _two(array(UUID), variant("task", TASK_SCHEMA))),
    variant("server", variant("js_worker", _two(TEXT, ANYTHING))),
)


def read_cron_type(text: Text) -> CronType:
    """
    What a job runs, from its JSON.

    Raises:
        Unreadable: it is none.
    """
    return _cron_type(text)[1]


def cron_type_form(value: CronType) -> object:
    """The value as plain data, in the form that ``read_cron_type`` reads."""
    match value:
        case AgentCron(agents, task):
            return {"agent": [agents, {"task": form(task)}]}
        case ServerCron(script, arguments):
            return {"server": {"js_worker": [script, arguments]}}
        case _:
            assert_never(value)


class TickId(Struct, frozen=True):
    """The tick with this id."""

    value: int


class OfJob(Struct, frozen=True):
    """Ticks of the job with this number."""

    value: int


class OfJobNamed(Struct, frozen=True):
    """Ticks of the job with this name."""

    name: str


class DueBetween(Struct, frozen=True):
    """Due from ``start_ms`` to ``end_ms``, both inclusive; ``None`` leaves that side open."""

    start_ms: int | None
    end_ms: int | None


class HandedOver(Struct, frozen=True):
    """Handed to the agent's connection, or not."""

    value: bool


class Newest(Struct, frozen=True):
    """The newest ``count``; the last of several counts."""

    count: int


TickCondition = TickId | OfJob | OfJobNamed | DueBetween | HandedOver | Newest


def _between(text: Text) -> DueBetween:
    start, end = _pair(text)
    return DueBetween(i64(start), i64(end))


_condition: Reader[tuple[str, TickCondition]] = tagged(
    {
        "id": lambda text: TickId(i64(text)),
        "cron_id": lambda text: OfJob(i64(text)),
        "cron_name": lambda text: OfJobNamed(string(text)),
        "run_time_from_to": _between,
        "run_time_from": lambda text: DueBetween(i64(text), None),
        "run_time_to": lambda text: DueBetween(None, i64(text)),
        "limit": lambda text: Newest(u64(text)),
    },
    {"is_success": HandedOver(True), "is_failure": HandedOver(False), "last": Newest(1)},
)


TICK_CONDITION_SCHEMA = one_of(
    variant("id", WHOLE),
    variant("cron_id", WHOLE),
    variant("cron_name", TEXT),
    variant("run_time_from_to", {**array(TIME_MS), "minItems": 2, "maxItems": 2}),
    variant("run_time_from", TIME_MS),
    variant("run_time_to", TIME_MS),
    variant("limit", COUNT),
    {"enum": ["is_success", "is_failure", "last"]},
)
TICK_QUERY_SCHEMA = record({"condition": array(TICK_CONDITION_SCHEMA)})


def read_tick_condition(text: Text) -> TickCondition:
    """
    A condition from its JSON.

    Raises:
        Unreadable: it is none.
    """
    return _condition(text)[1]


class _TickQuery(Struct):
    condition: Raw


_read_query: Reader[_TickQuery] = plain(_TickQuery)
_conditions = sequence(read_tick_condition)


def read_tick_query(text: Text) -> Sequence[TickCondition]:
    """
    The conditions of a query from its JSON.

    Raises:
        Unreadable: it is none.
    """
    return _conditions(_read_query(text).condition)


class DeclaredAgent(Struct, frozen=True, omit_defaults=True):
    """
    An agent of a job; ``name`` is that of the job file, ``None`` for a bare UUID.

    ``labels`` are those of its info series; a declaration has them where it names the agent first.
    """

    uuid: str
    name: str | None = None
    labels: dict[str, str] = {}


class DeclaredCell(Struct, frozen=True):
    """One combination of a job's matrix, ``name`` ``""`` without one; ``type`` and ``target`` are labels."""

    name: str
    type: str
    target: str


class DeclaredJob(Struct, frozen=True, kw_only=True):
    """
    A job of the live job file: ``schedule`` as it is written there, ``task`` the task object's JSON, of the first cell.

    Everything is as people may see it, with references for secrets. ``definition`` is the whole job in the words of the
    job file, as JSON; ``labels`` are those of its info series. ``retention_ms`` ``None`` is the server's.
    """

    name: str
    schedule: str
    timezone: str
    enabled: bool
    agents: tuple[DeclaredAgent, ...]
    task: Raw
    cells: tuple[DeclaredCell, ...] = ()
    labels: dict[str, str] = {}
    definition: Raw = Raw(b"{}")
    retention_ms: int | None = None


class Gap(Struct, frozen=True):
    """
    Ticks of a job that no scheduler fired, one for each task that would have been.

    The first was due at ``from_ms``, the last at ``to_ms``, both ms since the epoch.
    """

    cron_source: str
    from_ms: int
    to_ms: int
    ticks: int


JOBS_SCHEMA = array(
    record(
        {
            "name": TEXT,
            "schedule": TEXT,
            "timezone": TEXT,
            "enabled": FLAG,
            "agents": array(record({"uuid": UUID}, {"name": nullable(TEXT), "labels": {"type": "object"}})),
            "task": TASK_SCHEMA,
        },
        {
            "cells": array(DeclaredCell),
            "labels": {"type": "object"},
            "definition": {"type": "object"},
            "retention_ms": nullable(COUNT),
        },
    )
)
read_declared_jobs: Reader[tuple[DeclaredJob, ...]] = msgspec.json.Decoder(tuple[DeclaredJob, ...]).decode
