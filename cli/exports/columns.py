"""A row as columns, the same in every format that has columns. They only grow, at the end."""

from collections.abc import Callable
from enum import Enum, auto

import msgspec

from cli.rows import Row


class Kind(Enum):
    """What a column holds; any may be empty. ``TIME`` is ms since the epoch."""

    INTEGER = auto()
    NUMBER = auto()
    FLAG = auto()
    TEXT = auto()
    TIME = auto()


Cell = int | float | str | None


def _json(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


COLUMNS: dict[str, tuple[Kind, Callable[[Row], Cell]]] = {
    "task_id": (Kind.INTEGER, lambda row: row.task_id),
    "cron_source": (Kind.TEXT, lambda row: row.cron_source),
    "agent": (Kind.TEXT, lambda row: row.agent),
    "agent_uuid": (Kind.TEXT, lambda row: row.uuid),
    "type": (Kind.TEXT, lambda row: row.type_name),
    "outcome": (Kind.TEXT, lambda row: row.outcome),
    "reason": (Kind.TEXT, lambda row: row.reason),
    "latency_ms": (Kind.NUMBER, lambda row: row.latency_ms),
    "scheduled_at": (Kind.TIME, lambda row: row.scheduled_at),
    "sent_at": (Kind.TIME, lambda row: row.sent_at),
    "started_at": (Kind.TIME, lambda row: row.started_at),
    "finished_at": (Kind.TIME, lambda row: row.timestamp),
    "stored_at": (Kind.TIME, lambda row: row.stored_at),
    "degraded": (Kind.FLAG, lambda row: row.degraded),
    "late": (Kind.FLAG, lambda row: row.late),
    "maintenance": (Kind.FLAG, lambda row: row.maintenance),
    "message": (Kind.TEXT, lambda row: row.error_message),
    "task": (Kind.TEXT, lambda row: _json(row.task_event_type)),
    "result": (Kind.TEXT, lambda row: _json(row.task_event_result)),
    "detail": (Kind.TEXT, lambda row: _json(row.detail)),
}
