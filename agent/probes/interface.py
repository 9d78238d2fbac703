"""
What a probe is: one async function that does a task and gives what it found, or why it failed.

An expected failure is a ``Failed``, never an exception; an exception is a bug. The worker cancels a probe when its time
is up. To add one: its file, and its line in ``open_probes``.
"""

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any

from msgspec import Struct

from protocol.events import TaskEvent
from protocol.outcomes import Reason


class Found(Struct, frozen=True):
    """The payload of the result; ``detail`` is what else was measured, durations in ms."""

    payload: Any
    detail: dict[str, Any] | None = None


class Failed(Struct, frozen=True):
    """Why there is no result; ``message`` is the whole ``error_message`` on the wire."""

    reason: Reason
    message: str
    detail: dict[str, Any] | None = None


Ending = Found | Failed


class Work(Struct, frozen=True):
    """
    A task and who asked for it: ``ignore_cert`` leaves that server's certificate unverified.

    ``ends_s`` is when the worker cancels the probe and blames the target, by the loop's clock; ``None`` is never.
    """

    event: TaskEvent
    agent_uuid: str
    ignore_cert: bool
    ends_s: float | None = None


class Kind(Enum):
    """What a probe takes: a network seat, a terminal session, or neither."""

    NETWORK = "network"
    TERMINAL = "terminal"
    LOCAL = "local"


class Probe(Struct, frozen=True):
    """A task type's function and what it takes."""

    kind: Kind
    run: Callable[[Work], Awaitable[Ending]]


def network(probe: Callable[[Any], Awaitable[Ending]]) -> Probe:
    """A probe that asks the network, and needs of its task the payload alone."""
    return Probe(Kind.NETWORK, lambda work: probe(work.event.task.payload))


def measuring(probe: Callable[[Any, Any], Awaitable[Ending]]) -> Probe:
    """A probe that asks the network, and needs of its task the payload and the options, which may be ``None``."""
    return Probe(Kind.NETWORK, lambda work: probe(work.event.task.payload, work.event.options))


def local(probe: Callable[[Any], Awaitable[Ending]]) -> Probe:
    """A probe of this machine that needs of its task the payload alone."""
    return Probe(Kind.LOCAL, lambda work: probe(work.event.task.payload))
