"""
The task types, one file each, and the one table of them.

To add a type: its file, its line in ``TASK_TYPES``, and a probe of the same name on the agent.
"""

from typing import Any

import msgspec

from protocol.errors import Unreadable
from protocol.options import Options, reader
from protocol.reading import Reader, Text, plain, tagged
from protocol.schemas import any_of, one_of, variant
from protocol.tasks.dns import DNS
from protocol.tasks.edit_config import EDIT_CONFIG
from protocol.tasks.execute import EXECUTE
from protocol.tasks.http_ping import HTTP_PING
from protocol.tasks.http_request import HTTP_REQUEST
from protocol.tasks.interface import Result, Task, TaskType
from protocol.tasks.ip import IP
from protocol.tasks.ping import PING
from protocol.tasks.read_config import READ_CONFIG
from protocol.tasks.self_update import SELF_UPDATE
from protocol.tasks.tcp_ping import TCP_PING
from protocol.tasks.version import VERSION
from protocol.tasks.web_shell import WEB_SHELL

TASK_TYPES: dict[str, TaskType] = {
    task_type.name: task_type
    for task_type in (
        PING,
        TCP_PING,
        HTTP_PING,
        WEB_SHELL,
        EXECUTE,
        HTTP_REQUEST,
        DNS,
        READ_CONFIG,
        EDIT_CONFIG,
        IP,
        VERSION,
        SELF_UPDATE,
    )
}

_tagged_task = tagged(
    {t.name: t.read_task for t in TASK_TYPES.values() if t.read_task is not None},
    {t.name: None for t in TASK_TYPES.values() if t.read_task is None},
)
_anything: Reader[Any] = plain(Any)
_tagged_shown = tagged(
    {t.name: _anything for t in TASK_TYPES.values() if t.read_task is not None},
    {t.name: None for t in TASK_TYPES.values() if t.read_task is None},
)
_tagged_result = tagged({t.name: t.read_result for t in TASK_TYPES.values()}, {})
_read_options: dict[str, Reader[Any]] = {
    t.name: reader(t.options) for t in TASK_TYPES.values() if t.options is not None
}

TASK_SCHEMA = one_of(
    *({"const": t.name} if t.read_task is None else variant(t.name, t.payload) for t in TASK_TYPES.values())
)
RESULT_SCHEMA = one_of(*(variant(t.name, t.result) for t in TASK_TYPES.values()))
# Which of them it is depends on the task beside it.
OPTIONS_SCHEMA = any_of(*(t.options for t in TASK_TYPES.values() if t.options is not None))


def read_task(text: Text) -> Task:
    """
    A task object from its JSON.

    Raises:
        Unreadable: it is none.
    """
    return Task(*_tagged_task(text))


def read_result(text: Text) -> Result:
    """
    A result object from its JSON.

    Raises:
        Unreadable: it is none.
    """
    return Result(*_tagged_result(text))


def read_shown_task(text: Text) -> Task:
    """
    A task object as people may see it, with references in the place of secrets: only its type is looked at.

    Raises:
        Unreadable: it is none.
    """
    return Task(*_tagged_shown(text))


def read_options(task_name: str, text: Text) -> Options | None:
    """
    The measuring options of a task of this type from their JSON; ``None`` for ``null``.

    Raises:
        Unreadable: they are none of this type; the text says which one, as ``options.NAME: …``.
    """
    if bytes(text) == b"null":
        return None
    if task_name not in _read_options:
        raise Unreadable(f"options: {task_name} takes none; remove them")
    options: Options = _read_options[task_name](text)
    return options


def wire_text(value: Task | Result) -> bytes:
    """The JSON that travels to agents and callers: members in declaration order, options as null."""
    return msgspec.json.encode(form(value))


def stored_text(value: Task | Result) -> bytes:
    """The JSON that queries answer: members in byte order."""
    return msgspec.json.encode(form(value), order="sorted")


def form(value: Task | Result) -> object:
    """The value as plain data, to be embedded in what msgspec encodes."""
    if isinstance(value, Task) and TASK_TYPES[value.name].read_task is None:
        return value.name
    return {value.name: value.payload}
