"""
The verdict on a result: pure, the same for every agent.

A cronprobe agent says a reason of the closed set; a stock one says a sentence, which is matched against the sentences
that stock agents are known to say. What went well is held against what its job expects.
"""

import base64
import binascii
from typing import Any

from msgspec import Struct

from protocol.events import TaskResponse
from protocol.outcomes import BY_WORD, Outcome, Reason
from protocol.tasks.http_request import HttpResponse
from protocol.tasks.interface import TaskType
from server.expectations import Expectations, Finding, Judgement

_LONGEST_MS = 86_400_000
_LARGEST = 2**63


class Verdict(Struct, frozen=True):
    """
    ``reason`` ``None`` is ok; ``latency_ms`` ``None`` when the result has none that can be. ``message`` says what was
    expected and not found, ``None`` where the agent's own message holds.
    """

    reason: Reason | None
    latency_ms: float | None
    message: str | None = None
    is_degraded: bool = False


# An agent speaks for itself: it may say that it refused or broke, but not that it was away.
_AGENT_MAY_SAY = frozenset(
    reason for reason in Reason if reason.outcome is Outcome.FAILED or reason in (Reason.REFUSED, Reason.INTERNAL)
)

# Sentences of stock agents, the more specific first.
_SENTENCES = (
    ("Task not allowed", Reason.REFUSED),
    ("Invalid target", Reason.DNS),
    ("Resolving host error", Reason.DNS),
    ("DNS query returned no results", Reason.DNS),
    ("Tcp Ping Timeout", Reason.CONNECT_TIMEOUT),
    ("Connection refused", Reason.CONNECT_REFUSED),
    ("unreachable", Reason.UNREACHABLE),
    ("certificate", Reason.TLS),
    ("timed out", Reason.TIMEOUT),
    ("timeout", Reason.TIMEOUT),
)


def judge(task_type: TaskType, response: TaskResponse, expectations: Expectations | None, now_ms: int) -> Verdict:
    """What the response means for the target; ``now_ms`` is the wall clock, ms since the epoch."""
    if response.success:
        latency_ms = _latency(task_type, response)
        if expectations is None:
            return Verdict(None, latency_ms)
        return _held(expectations.judge(_finding(response, latency_ms), now_ms), latency_ms)
    said = BY_WORD.get(response.reason or "")
    if said in _AGENT_MAY_SAY:
        return Verdict(said, None)
    message = response.error_message or ""
    return Verdict(next((r for sentence, r in _SENTENCES if sentence in message), Reason.PROBE_ERROR), None)


def _held(judgement: Judgement, latency_ms: float | None) -> Verdict:
    if judgement.reason is None:
        return Verdict(None, latency_ms, None, judgement.is_degraded)
    return Verdict(judgement.reason, None, judgement.message)


def _finding(response: TaskResponse, latency_ms: float | None) -> Finding:
    detail = response.detail or {}
    payload = None if response.task_event_result is None else response.task_event_result.payload
    cert_expires_ms, loss = _number(detail.get("cert_expires_at")), _number(detail.get("loss"))
    if isinstance(payload, HttpResponse):
        headers: dict[str, list[str]] = {}
        for line in payload.headers:
            for name, value in line.items():
                headers.setdefault(name.lower(), []).append(value)
        return Finding(latency_ms, payload.status, _body(payload), headers, cert_expires_ms, loss)
    status = detail.get("status")
    return Finding(latency_ms, status if type(status) is int else None, None, None, cert_expires_ms, loss)


def _body(response: HttpResponse) -> str:
    if response.body is not None or response.body_base64 is None:
        return response.body or ""
    try:
        return base64.b64decode(response.body_base64).decode(errors="replace")
    except binascii.Error:
        return ""


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _LARGEST:
        return None
    return float(value)


def _latency(task_type: TaskType, response: TaskResponse) -> float | None:
    if task_type.is_latency:
        duration = None if response.task_event_result is None else response.task_event_result.payload
    else:
        duration = (response.detail or {}).get("duration_ms")
    found = _number(duration)
    return found if found is not None and 0 <= found <= _LONGEST_MS else None
