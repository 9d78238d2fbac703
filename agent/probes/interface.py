"""
What a probe is: one async function that takes a task's payload and gives what it found, or why it failed.

An expected failure is a ``Failed``, never an exception; an exception is a bug. A probe has no overall limit of its
own: the worker cancels it when its time is up. To add one: its file, and its line in ``open_probes``.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

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
Probe = Callable[[Any], Awaitable[Ending]]
