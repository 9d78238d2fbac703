"""
The verdict on a result: pure, the same for every agent.

A cronprobe agent says a reason of the closed set; a stock one says a sentence, which is matched against the sentences
that stock agents are known to say.
"""

from msgspec import Struct

from protocol.events import TaskResponse
from protocol.outcomes import BY_WORD, Outcome, Reason
from protocol.tasks.interface import TaskType

_LONGEST_MS = 86_400_000


class Verdict(Struct, frozen=True):
    """``reason`` ``None`` is ok; ``latency_ms`` ``None`` when the result has none that can be."""

    reason: Reason | None
    latency_ms: float | None


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


def judge(task_type: TaskType, response: TaskResponse) -> Verdict:
    """What the response means for the target."""
    if response.success:
        return Verdict(None, _latency(task_type, response))
    said = BY_WORD.get(response.reason or "")
    if said in _AGENT_MAY_SAY:
        return Verdict(said, None)
    message = response.error_message or ""
    return Verdict(next((r for sentence, r in _SENTENCES if sentence in message), Reason.PROBE_ERROR), None)


def _latency(task_type: TaskType, response: TaskResponse) -> float | None:
    if task_type.is_latency:
        duration = None if response.task_event_result is None else response.task_event_result.payload
    else:
        duration = (response.detail or {}).get("duration_ms")
    if not isinstance(duration, int | float) or isinstance(duration, bool):
        return None
    return float(duration) if 0 <= duration <= _LONGEST_MS else None
