"""A stored run as the server tells it with ``detail``: what verbs show of it. Text in it came from outside."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

_LONGEST_MS = 1e12


class Row(Struct, frozen=True, kw_only=True):
    """
    Times are ms since the epoch. ``timestamp`` is when it finished; without one it still runs, and has no ``outcome``.
    ``scheduled_at`` is ``None`` for what was made by hand.
    """

    task_id: int
    uuid: str
    task_event_type: str | dict[str, Any]
    cron_source: str | None = None
    success: bool | None = None
    error_message: str | None = None
    task_event_result: dict[str, Any] | None = None
    timestamp: int | None = None
    agent_name: str | None = None
    outcome: str | None = None
    reason: str | None = None
    scheduled_at: int | None = None
    sent_at: int | None = None
    started_at: int | None = None
    stored_at: int | None = None
    detail: dict[str, Any] | None = None
    degraded: bool = False
    late: bool = False
    maintenance: bool = False

    @property
    def type_name(self) -> str:
        """The task type's."""
        return self.task_event_type if isinstance(self.task_event_type, str) else next(iter(self.task_event_type))

    @property
    def agent(self) -> str:
        """The name in the job file, else the UUID."""
        return self.agent_name or self.uuid

    @property
    def latency_ms(self) -> float | None:
        """What the agent measured; it may have said anything."""
        for found in ((self.task_event_result or {}).get(self.type_name), (self.detail or {}).get("duration_ms")):
            if isinstance(found, int | float) and not isinstance(found, bool) and abs(found) < _LONGEST_MS:
                return float(found)
        return None


_read_all = msgspec.json.Decoder(list[Row]).decode
_read_one = msgspec.json.Decoder(Row).decode


def read_rows(text: bytes) -> Sequence[Row]:
    """The rows of an answer."""
    return _read_all(text)


def read_row(text: bytes | Raw) -> Row:
    """One row."""
    return _read_one(text)
