"""Recorded cases of the peers' decoder: what is valid, and what is written back."""

import json
from collections.abc import Callable
from typing import Any, Literal

import msgspec
import pytest

from protocol import conditions, events, permissions, tasks
from protocol.errors import Unreadable
from protocol.methods import task as task_methods
from protocol.methods import token as token_methods
from tests.vector_cases import vectors

Case = dict[str, Any]
Order = Literal["sorted"] | None
Write = Callable[[Any, Order], bytes]


def check(case: Case, read: Callable[[bytes], Any], write: Write) -> None:
    text = (case.get("raw") or json.dumps(case["json"])).encode()
    if case["valid"]:
        value = read(text)
        assert write(value, None).decode() == case["wire_text"]
        assert write(value, "sorted").decode() == case["stored_text"]
    else:
        with pytest.raises(Unreadable):
            read(text)


def write_task(value: Any, order: Order) -> bytes:
    return tasks.stored_text(value) if order else tasks.wire_text(value)


def write_creation(value: token_methods.TokenCreation, order: Order) -> bytes:
    members = {name: getattr(value, name) for name in value.__struct_fields__ if name != "token_limit"}
    limits = [permissions.limit_form(limit) for limit in value.token_limit]
    return msgspec.json.encode({**members, "token_limit": limits}, order=order)


@vectors("task_event_type")
def test_a_task_is_read_and_written_as_recorded(case: Case) -> None:
    check(case, tasks.read_task, write_task)


@vectors("task_event_result")
def test_a_result_is_read_and_written_as_recorded(case: Case) -> None:
    check(case, tasks.read_result, write_task)


@vectors("task_event_response")
def test_a_response_is_read_and_written_as_recorded(case: Case) -> None:
    check(case, events.read_response, lambda value, order: events.response_text(value, order=order))


@vectors("query_condition")
def test_a_condition_is_read_and_written_as_recorded(case: Case) -> None:
    def write(value: conditions.Condition, order: Order) -> bytes:
        return msgspec.json.encode(conditions.condition_form(value), order=order)

    check(case, conditions.read_condition, write)


@vectors("task_data_query")
def test_a_query_is_read_and_written_as_recorded(case: Case) -> None:
    def write(value: task_methods.TaskDataQuery, order: Order) -> bytes:
        return msgspec.json.encode({"condition": list(map(conditions.condition_form, value.condition))}, order=order)

    check(case, task_methods.read_data_query, write)


@vectors("permission")
def test_a_permission_is_read_and_written_as_recorded(case: Case) -> None:
    def write(value: permissions.Permission, order: Order) -> bytes:
        return msgspec.json.encode(permissions.permission_form(value), order=order)

    check(case, permissions.read_permission, write)


@vectors("token_limit", kind="parse")
def test_a_limit_is_read_and_written_as_recorded(case: Case) -> None:
    def write(value: permissions.Limit, order: Order) -> bytes:
        return msgspec.json.encode(permissions.limit_form(value), order=order)

    check(case, permissions.read_limit, write)


@vectors("token_limit", kind="check")
def test_limits_allow_what_was_recorded(case: Case) -> None:
    limits = [permissions.read_limit(msgspec.json.encode(limit)) for limit in case["limits"]]
    scopes = [permissions.read_scope(msgspec.json.encode(scope)) for scope in case["scopes"]]
    wanted = [permissions.read_permission(msgspec.json.encode(permission)) for permission in case["permissions"]]
    assert permissions.allows(limits, scopes, wanted) is case["allowed"]


@vectors("token_creation")
def test_a_token_creation_is_read_and_written_as_recorded(case: Case) -> None:
    check(case, token_methods.read_token_creation, write_creation)
