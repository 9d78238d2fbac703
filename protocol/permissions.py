"""
What a token may do: limits, each a set of scopes with a set of permissions, and the rule that matches them.

A requested (scope, permission) pair is allowed when one limit has both a scope and a permission that cover it. The
kinds of permission are those of the protocol, so that tokens made for a stock server can be kept as they are.
"""

from collections.abc import Iterable, Mapping
from functools import partial

from msgspec import Raw, Struct

from protocol.errors import Unreadable
from protocol.reading import Reader, Text, elements, sequence, string, struct, tagged, uuid
from protocol.schemas import TEXT, UUID, Schema, array, one_of, record, variant


class Scope(Struct, frozen=True):
    """Where a permission holds; ``name`` is ``None`` for ``global``."""

    kind: str
    name: str | None = None


class Permission(Struct, frozen=True):
    """
    What is permitted, such as (``task``, ``create``, ``ping``).

    ``pattern`` is ``None`` for operations without a subject.
    """

    area: str
    operation: str
    pattern: str | None = None


class Limit(Struct, frozen=True):
    """Permissions that hold in scopes."""

    scopes: tuple[Scope, ...]
    permissions: tuple[Permission, ...]


GLOBAL = Scope("global")
_WILDCARD_SCOPES = ("js_worker", "static_bucket", "db")
_WILDCARD_AREAS = ("task", "crontab_result", "js_result", "kv")

# area: (operations without a subject, operations with one, the subjects that are known or None for any text)
_AREAS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...] | None]] = {
    "task": (("listen",), ("create", "read", "write", "delete"), None),
    "crontab": (("read", "write", "delete"), (), None),
    "crontab_result": ((), ("read", "delete"), None),
    "static_monitoring": (("write", "delete"), ("read",), ("cpu", "system", "gpu")),
    "dynamic_monitoring": (
        ("write", "delete"),
        ("read",),
        ("cpu", "ram", "load", "system", "disk", "network", "gpu"),
    ),
    "dynamic_monitoring_summary": (("read", "write", "delete"), (), None),
    "kv": (("list_all_namespace", "list_all_keys"), ("read", "write", "delete"), None),
    "terminal": (("connect",), (), None),
    "node_get": (("list_all_agent_uuid", "delete_agent_uuid", "get_rt_pool", "exec_sql"), (), None),
    "monitoring_uuid": (("list", "delete"), (), None),
    "js_worker": (
        (
            "list_all_js_worker",
            "create",
            "read",
            "write",
            "delete",
            "run_defined_js_worker",
            "run_raw_js_worker",
        ),
        (),
        None,
    ),
    "js_result": ((), ("read", "delete"), None),
    "static_bucket": (("read", "write", "delete"), (), None),
    "static_bucket_file": (("read", "write", "delete", "list"), (), None),
    "db": (("list", "read", "create", "update", "delete", "exec_sql"), (), None),
}


def _subject(known: tuple[str, ...] | None, text: Text) -> str:
    subject = string(text)
    if known is not None and subject not in known:
        raise Unreadable(f"unknown variant `{subject}`, expected one of " + ", ".join(f"`{k}`" for k in known))
    return subject


def _operation(area: str) -> Reader[Permission]:
    units, with_subject, known = _AREAS[area]
    read: Reader[tuple[str, str | None]] = tagged(
        {operation: partial(_subject, known) for operation in with_subject},
        dict.fromkeys(units),
    )
    return lambda text: Permission(area, *read(text))


_read_permission = tagged({area: _operation(area) for area in _AREAS}, {})
_read_scope = tagged(
    {
        "agent_uuid": uuid,
        "kv_namespace": string,
        "js_worker": string,
        "static_bucket": string,
        "db": string,
    },
    {"global": None},
)


def _area_schema(area: str) -> Schema:
    units, with_subject, known = _AREAS[area]
    subject = TEXT if known is None else {"enum": list(known)}
    forms = [variant(operation, subject) for operation in with_subject]
    return variant(area, one_of(*([{"enum": list(units)}] if units else []), *forms))


LIMIT_SCHEMA = record(
    {
        "scopes": array(
            one_of(
                {"const": "global"},
                variant("agent_uuid", UUID),
                *(variant(k, TEXT) for k in ("kv_namespace", *_WILDCARD_SCOPES)),
            )
        ),
        "permissions": array(one_of(*map(_area_schema, _AREAS))),
    }
)


def read_permission(text: Text) -> Permission:
    """
    A permission from its JSON.

    Raises:
        Unreadable: it is none.
    """
    return _read_permission(text)[1]


def read_scope(text: Text) -> Scope:
    """
    A scope from its JSON.

    Raises:
        Unreadable: it is none.
    """
    return Scope(*_read_scope(text))


class _Limit(Struct):
    scopes: Raw
    permissions: Raw


_read_limit = struct(_Limit)
_scopes = sequence(read_scope)
_permissions = sequence(read_permission)


def read_limit(text: Text) -> Limit:
    """
    A limit from its JSON.

    Raises:
        Unreadable: it is none.
    """
    limit = _read_limit(text)
    return Limit(_scopes(limit.scopes), _permissions(limit.permissions))


def read_stored_limits(text: Text) -> tuple[tuple[Limit, ...], list[str]]:
    """
    (limits, permissions dropped) of a JSON array that an older or newer version may have stored.

    Permissions that are unknown here are dropped one by one; the rest holds.

    Raises:
        Unreadable: it is no array of limits at all.
    """
    limits, dropped = [], []
    for element in elements(text):
        limit = _read_limit(element)
        known = []
        for permission in elements(limit.permissions):
            try:
                known.append(read_permission(permission))
            except Unreadable:
                dropped.append(bytes(permission).decode())
        limits.append(Limit(_scopes(limit.scopes), tuple(known)))
    return tuple(limits), dropped


def permission_form(permission: Permission) -> object:
    """The permission as plain data, in the form that ``read_permission`` reads."""
    if permission.pattern is None:
        return {permission.area: permission.operation}
    return {permission.area: {permission.operation: permission.pattern}}


def limit_form(limit: Limit) -> dict[str, object]:
    """The limit as plain data, in the form that ``read_limit`` reads."""
    return {
        "scopes": [scope.kind if scope.name is None else {scope.kind: scope.name} for scope in limit.scopes],
        "permissions": [permission_form(permission) for permission in limit.permissions],
    }


def allows(limits: Iterable[Limit], scopes: Iterable[Scope], permissions: Iterable[Permission]) -> bool:
    """Whether for every scope and every permission one limit covers both. No scopes asked: allowed."""
    granted = tuple(limits)
    wanted = tuple(permissions)
    return all(any(_covers(limit, scope, p) for limit in granted) for scope in scopes for p in wanted)


def _covers(limit: Limit, scope: Scope, permission: Permission) -> bool:
    return any(_scope_covers(s, scope) for s in limit.scopes) and any(
        _permission_covers(p, permission) for p in limit.permissions
    )


def _scope_covers(granted: Scope, wanted: Scope) -> bool:
    if granted.kind == "global":
        return True
    if granted.kind != wanted.kind:
        return False
    if granted.kind in _WILDCARD_SCOPES:
        return _matches(granted.name, wanted.name)
    return granted.name == wanted.name


def _permission_covers(granted: Permission, wanted: Permission) -> bool:
    if (granted.area, granted.operation) != (wanted.area, wanted.operation):
        return False
    if granted.area in _WILDCARD_AREAS:
        return _matches(granted.pattern, wanted.pattern)
    return granted.pattern == wanted.pattern


def _matches(granted: str | None, wanted: str | None) -> bool:
    """A trailing ``*`` stands for any rest; anywhere else it is an ordinary character."""
    if granted is not None and wanted is not None and granted.endswith("*"):
        return wanted.startswith(granted[:-1])
    return granted == wanted
