"""Statistics over rows: how they are asked for, and what is answered for each group."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Raw, Struct

from protocol.conditions import CONDITION_SCHEMA, Condition, read_condition
from protocol.errors import Unreadable
from protocol.reading import Text, plain, sequence
from protocol.schemas import COUNT, FLAG, TEXT, TIME_MS, array, nullable, record

PERCENTILES = (50, 90, 95, 99)
MOST_GROUPS = 10_000
_MOST_BUCKET_MS = 366 * 86_400_000

By = Literal["cron_source", "agent", "type"]


class Grouping(Struct, frozen=True):
    """
    By what rows are grouped; ``bucket_ms`` is the width of a time bucket, ``None`` for one over all time.

    ``reasons`` is no key: whether the rows of each group are counted by their reasons as well. Callers cannot ask for
    cells.
    """

    cron_source: bool = False
    agent: bool = False
    type: bool = False
    bucket_ms: int | None = None
    reasons: bool = False
    cell: bool = False


class StatsQuery(Struct, frozen=True):
    """Which rows, and in which groups."""

    condition: tuple[Condition, ...]
    by: Grouping


class _StatsQuery(Struct):
    condition: Raw = Raw(b"[]")
    group_by: list[By] = []
    bucket_ms: Annotated[int, Meta(ge=1, le=_MOST_BUCKET_MS)] | None = None
    reasons: bool = False


_read_query = plain(_StatsQuery)
_conditions = sequence(read_condition)

QUERY_SCHEMA = record(
    {},
    {
        "condition": array(CONDITION_SCHEMA),
        "group_by": array({"enum": ["cron_source", "agent", "type"]}),
        "bucket_ms": nullable({"type": "integer", "minimum": 1, "maximum": _MOST_BUCKET_MS}),
        "reasons": FLAG,
    },
)


def read_stats_query(text: Text) -> StatsQuery:
    """
    A query from its JSON.

    Raises:
        Unreadable: it is none.
    """
    query = _read_query(text)
    if len(set(query.group_by)) != len(query.group_by):
        raise Unreadable("group_by names something twice")
    by = Grouping(
        cron_source="cron_source" in query.group_by,
        agent="agent" in query.group_by,
        type="type" in query.group_by,
        bucket_ms=query.bucket_ms,
        reasons=query.reasons,
    )
    return StatsQuery(tuple(_conditions(query.condition)), by)


class GroupStats(Struct, frozen=True):
    """
    One group. What it is not grouped by is ``None``, and so is the bucket of running tasks.

    ``degraded`` ones are among the ok. Latencies are in ms, over runs that are ok; ``None`` when none has one.
    ``reasons`` counts runs that are not ok by their reason's word, without those that no run has; ``None`` when it was
    not asked for.
    """

    cron_source: str | None
    agent_uuid: str | None
    agent_name: str | None
    type: str | None
    bucket: int | None
    cell: str | None
    count: int
    running: int
    ok: int
    degraded: int
    failed: int
    unknown: int
    least_ms: float | None
    mean_ms: float | None
    most_ms: float | None
    percentiles_ms: Sequence[float | None]
    reasons: Mapping[str, int] | None = None


def stats_form(group: GroupStats, by: Grouping) -> dict[str, Any]:
    """The group as plain data: its keys, its counts, its latencies."""
    keys: dict[str, Any] = {}
    if by.cron_source:
        keys["cron_source"] = group.cron_source
    if by.agent:
        keys |= {"agent_uuid": group.agent_uuid, "agent_name": group.agent_name}
    if by.type:
        keys["type"] = group.type
    if by.bucket_ms is not None:
        keys["bucket"] = group.bucket
    counts = {name: getattr(group, name) for name in ("count", "running", "ok", "failed", "unknown")}
    reasons = {"reasons": group.reasons} if by.reasons else {}
    return {**keys, **counts, "latency_ms": None if group.mean_ms is None else _latencies(group), **reasons}


def _latencies(group: GroupStats) -> dict[str, float | None]:
    named = {f"p{percent}": value for percent, value in zip(PERCENTILES, group.percentiles_ms, strict=True)}
    return {"min": group.least_ms, "mean": group.mean_ms, **named, "max": group.most_ms}


_LATENCY = {"type": "number"}
GROUP_SCHEMA = record(
    {
        **dict.fromkeys(("count", "running", "ok", "failed", "unknown"), COUNT),
        "latency_ms": nullable(
            record(dict.fromkeys(("min", "mean", *(f"p{percent}" for percent in PERCENTILES), "max"), _LATENCY))
        ),
    },
    {
        "cron_source": nullable(TEXT),
        "agent_uuid": TEXT,
        "agent_name": nullable(TEXT),
        "type": TEXT,
        "bucket": nullable(TIME_MS),
        "reasons": {"type": "object", "additionalProperties": COUNT},
    },
)
