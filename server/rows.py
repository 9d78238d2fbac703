"""
A stored row as callers see it: to the letter the protocol's eight members, in byte order; with ``detail`` ours too.

What the compact row leaves out is put back here: the result that is only a latency, the message of an end of ours.
"""

from functools import lru_cache

import msgspec
from msgspec import Raw

from protocol.outcomes import Outcome, Reason
from protocol.schemas import COUNT, FLAG, TEXT, TIME_MS, UUID, nullable, record
from protocol.tasks import RESULT_SCHEMA, TASK_SCHEMA, TASK_TYPES, read_shown_task, stored_text
from server.store.interface import DEGRADED, LATE, MAINTENANCE, StoredTask

_NULL = Raw(b"null")

ROW_SCHEMA = record(
    {
        "cron_source": nullable(TEXT),
        "error_message": nullable(TEXT),
        "success": nullable(FLAG),
        "task_event_result": nullable(RESULT_SCHEMA),
        "task_event_type": TASK_SCHEMA,
        "task_id": COUNT,
        "timestamp": nullable(TIME_MS),
        "uuid": UUID,
    },
    {
        "agent_name": nullable(TEXT),
        "degraded": FLAG,
        "detail": nullable({"type": "object"}),
        "late": FLAG,
        "maintenance": FLAG,
        "outcome": nullable({"enum": list(Outcome)}),
        "reason": nullable(TEXT),
        **dict.fromkeys(("scheduled_at", "sent_at", "started_at", "stored_at"), nullable(TIME_MS)),
    },
)


def row_text(row: StoredTask, *, detail: bool = False) -> bytes:
    """The row as JSON."""
    members: dict[str, object] = {
        "cron_source": row.cron_source,
        "error_message": message_of(row),
        "success": row.success,
        "task_event_result": _result(row),
        "task_event_type": Raw(_stored_form(row.spec)),
        "task_id": row.id,
        "timestamp": row.finished_ms,
        "uuid": row.agent_uuid,
    }
    if detail:
        members |= _detail(row)
    return msgspec.json.encode(members)


def _detail(row: StoredTask) -> dict[str, object]:
    reason = None if row.reason is None else Reason(row.reason)
    outcome = None if row.success is None else Outcome.OK if reason is None else reason.outcome
    return {
        "agent_name": row.agent_name,
        "degraded": bool(row.flags & DEGRADED),
        "detail": _NULL if row.detail is None else Raw(row.detail.encode()),
        "late": bool(row.flags & LATE),
        "maintenance": bool(row.flags & MAINTENANCE),
        "outcome": outcome,
        "reason": None if reason is None else reason.word,
        "scheduled_at": row.scheduled_ms,
        "sent_at": row.sent_ms,
        "started_at": row.started_ms,
        "stored_at": row.stored_ms,
    }


def _result(row: StoredTask) -> Raw:
    if row.result is not None:
        return Raw(row.result.encode())
    name = read_task_name(row.spec)
    if row.success and row.latency_ms is not None and TASK_TYPES[name].is_latency:
        return Raw(msgspec.json.encode({name: row.latency_ms}))
    return _NULL


def message_of(row: StoredTask) -> str | None:
    """What was wrong, as people may see it; ``None`` when nothing was said."""
    return row.error_message if row.error_message is not None else _own_message(row)


def _own_message(row: StoredTask) -> str | None:
    """The message of an end that no agent reported."""
    match row.reason:
        case Reason.NO_RESULT:
            return f"no result within {row.timeout_ms} ms"
        case Reason.AGENT_OFFLINE:
            return f"Agent {row.agent_uuid} is not connected"
        case Reason.OVERLAP:
            return "not dispatched: the task of the tick before still runs"
        case Reason.INTERNAL:
            return "not dispatched: the tick came too late or too many tasks waited for the agent"
        case _:
            return None


@lru_cache(maxsize=4_096)
def _stored_form(spec: str) -> bytes:
    return stored_text(read_shown_task(spec.encode()))


@lru_cache(maxsize=4_096)
def read_task_name(spec: str) -> str:
    """The type's name of a task object's JSON."""
    return read_shown_task(spec.encode()).name
