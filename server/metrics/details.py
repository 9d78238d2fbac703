"""
What an agent tells of a run besides its result, as far as there are series for it.

It comes from outside: what is no number that can be is left out, as if the agent had not said it. To add one: its
field, its line in ``read_detail``, its family in ``families.py``.
"""

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

PHASES = ("resolve", "connect", "tls", "processing", "transfer")
_LONGEST_MS = 86_400_000
_LATEST_MS = 253_402_300_800_000
_MOST_PACKETS = 10_000


class Detail(Struct, frozen=True, gc=False):
    """
    Durations in seconds, ``cert_expiry_s`` since the epoch; ``None`` or nothing for what was not said.

    ``phases_s`` are (phase, duration) in the order of ``PHASES``; ``round_trips_s`` has one for each answered packet.
    """

    status: int | None = None
    phases_s: tuple[tuple[str, float], ...] = ()
    cert_expiry_s: float | None = None
    dns_lookup_s: float | None = None
    ip_protocol: Literal[4, 6] | None = None
    loss_ratio: float | None = None
    packets_sent: int = 0
    packets_received: int = 0
    round_trips_s: tuple[float, ...] = ()


NOTHING = Detail()


def read_detail(detail: Mapping[str, Any] | None) -> Detail:
    """The detail as the agent sent it, ``None`` for none."""
    if not detail:
        return NOTHING
    phases = detail.get("phases_ms")
    phases_ms = phases if isinstance(phases, dict) else {}
    phases_s = ((phase, _seconds(phases_ms.get(phase))) for phase in PHASES)
    resolve_ms = detail.get("resolve_ms", phases_ms.get("resolve"))
    loss = _number(detail.get("loss"), 100)
    sent, received = _count(detail.get("sent")), _count(detail.get("received"))
    are_counted = sent is not None and received is not None and received <= sent
    return Detail(
        status=_count(detail.get("status")),
        phases_s=tuple((phase, duration_s) for phase, duration_s in phases_s if duration_s is not None),
        cert_expiry_s=_seconds(detail.get("cert_expires_at"), _LATEST_MS),
        dns_lookup_s=_seconds(resolve_ms),
        ip_protocol=_ip_protocol(detail.get("address")),
        loss_ratio=None if loss is None else loss / 100,
        packets_sent=(sent or 0) if are_counted else 0,
        packets_received=(received or 0) if are_counted else 0,
        round_trips_s=_round_trips(detail.get("rtts_ms")),
    )


def _round_trips(value: Any) -> tuple[float, ...]:
    """All of them, or none when there is one that cannot be."""
    if not isinstance(value, list) or len(value) > _MOST_PACKETS:
        return ()
    found = [_seconds(element) for element in value]
    known = tuple(element for element in found if element is not None)
    return known if len(known) == len(found) else ()


def _ip_protocol(address: Any) -> Literal[4, 6] | None:
    if not isinstance(address, str) or not address:
        return None
    return 6 if ":" in address else 4


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= _MOST_PACKETS else None


def _seconds(value: Any, most_ms: float = _LONGEST_MS) -> float | None:
    number = _number(value, most_ms)
    return None if number is None else number / 1000


def _number(value: Any, most: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        return None
    return float(value)
