"""How much of what was due was measured: ticks that were missed beside runs that were stored."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct


class Gap(Struct, rename={"from_ms": "from", "to_ms": "to"}):
    """Ticks of a job that no scheduler fired, from the first to the last."""

    cron_source: str
    from_ms: int
    to_ms: int
    ticks: int


def missed_between(gap: Gap, start_ms: float, end_ms: float) -> int:
    """How many of its ticks were due from ``start_ms`` on and before ``end_ms``, as if they lay evenly."""
    return _before(gap, end_ms) - _before(gap, start_ms)


def _before(gap: Gap, at_ms: float) -> int:
    if at_ms <= gap.from_ms:
        return 0
    if at_ms > gap.to_ms:
        return gap.ticks
    step_ms = (gap.to_ms - gap.from_ms) / max(1, gap.ticks - 1)
    return min(gap.ticks, int(-(-(at_ms - gap.from_ms) // step_ms)))


def missed_by_group(gaps: Sequence[Gap], since_ms: int, bucket_ms: int | None) -> Mapping[tuple[str, int | None], int]:
    """Missed ticks since then by (job, start of the time bucket); ``None`` for the bucket where there are none."""
    found: dict[tuple[str, int | None], int] = {}
    for gap in gaps:
        start = max(gap.from_ms, since_ms)
        if bucket_ms is None:
            parts: Sequence[tuple[int | None, float, float]] = [(None, start, gap.to_ms + 1)]
        else:
            first, last = start - start % bucket_ms, gap.to_ms
            parts = [(at, max(at, start), at + bucket_ms) for at in range(first, last + 1, bucket_ms)]
        for bucket, from_ms, to_ms in parts:
            ticks = missed_between(gap, from_ms, to_ms)
            key = (gap.cron_source, bucket)
            found[key] = found.get(key, 0) + ticks
    return found


def with_coverage(group: Mapping[str, Any], missed: int | None) -> dict[str, Any]:
    """
    The group with ``uptime``, ok of what is known, and ``coverage``, what is known of what was due.

    ``missed`` is how many ticks no scheduler fired; where it is ``None``, nobody knows what was due.
    """
    known = group["ok"] + group["failed"]
    due = None if missed is None else group["count"] - group["running"] + missed
    return {
        **group,
        "missed": missed,
        "uptime": group["ok"] / known if known else None,
        "coverage": known / due if due else None,
    }
