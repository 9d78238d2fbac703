"""What a task type is to the rest of the project."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from protocol.options import Options
from protocol.reading import Reader
from protocol.schemas import Schema


class TaskType(Struct, frozen=True, kw_only=True):
    """
    One kind of work an agent can do, both ways of its wire form.

    ``read_task`` is ``None`` for a type without a payload, which travels as a plain string. ``payload`` and ``result``
    are the schemas of what it reads. ``target`` gives what is
    probed, fit for a metric label: no query, no user info, ``""`` where the type probes nothing. ``refuse`` names
    what is wrong with a payload that decodes and still must not be created, or gives ``None``. ``is_latency``: the
    result is nothing but a latency in milliseconds. ``options`` ``None``: there is nothing to choose about how it
    measures.
    """

    name: str
    read_task: Reader[Any] | None
    payload: Schema = None
    read_result: Reader[Any]
    result: Schema
    target: Callable[[Any], str] = lambda _payload: ""
    refuse: Callable[[Any], str | None] = lambda _payload: None
    is_latency: bool = False
    options: type[Options] | None = None


class Task(Struct, frozen=True):
    """A task object: what to do, without for whom or when. ``payload`` is ``None`` for types without one."""

    name: str
    payload: Any = None


class Result(Struct, frozen=True):
    """What an agent found: the variant's name and its payload."""

    name: str
    payload: Any
