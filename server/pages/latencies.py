"""What the chart of a job draws: mean latencies of each probe in some hundred buckets of the time that is looked at."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from protocol.conditions import FinishedBetween, FromCron
from protocol.stats import MOST_GROUPS, Grouping
from server.jobs import Job
from server.pages.content import Look, Sources
from server.pages.history import ProbeKey
from server.pages.surveys import names, targets

_DAY_MS = 86_400_000
_LONGEST_MS = 31 * _DAY_MS
_MOST_BUCKETS = 288
_LEAST_BUCKET_MS = 1_000
_MOST_SERIES = 12


class Series(Struct, frozen=True):
    """A line: a latency in ms for each of the chart's times, ``None`` where none was measured."""

    name: str
    values: Sequence[float | None]


class Chart(Struct, frozen=True):
    """Times are seconds since the epoch."""

    start: float
    end: float
    times: Sequence[float]
    series: Sequence[Series]


async def chart(sources: Sources, look: Look, job: Job) -> Chart:
    """
    The chart from ``from`` to ``to`` of the query string, ms since the epoch; the last day where they make no sense.

    Raises:
        StoreFailed: the rows cannot be read.
    """
    start_ms, end_ms = _span(look.query, sources.now_ms())
    probes = max(1, len(job.cron.agents) * len(job.declared.cells))
    buckets = max(1, min(_MOST_BUCKETS, MOST_GROUPS // (2 * probes)))
    bucket_ms = max(_LEAST_BUCKET_MS, -(-(end_ms - start_ms) // buckets))
    by = Grouping(agent=True, type=True, bucket_ms=bucket_ms, cell=True)
    groups = await sources.store.stats([FromCron(job.declared.name), FinishedBetween(start_ms, end_ms)], by)
    cells = {cell.name: cell.target for cell in job.declared.cells}
    times = range(start_ms - start_ms % bucket_ms, end_ms + 1, bucket_ms)
    means = {
        (
            ProbeKey(group.agent_uuid or "", group.type or "", cells.get(group.cell or "", "")),
            group.bucket,
        ): group.mean_ms
        for group in groups
    }
    called, aims = names(job, look), targets(job, look)
    has_one_target = len(cells) == 1
    series = [
        Series(
            called[key.agent_uuid] if has_one_target else f"{called[key.agent_uuid]} · {aims[key.target]}",
            [means.get((key, time)) for time in times],
        )
        for key in look.sight.probes(job)[:_MOST_SERIES]
    ]
    return Chart(start_ms / 1000, end_ms / 1000, [time / 1000 for time in times], series)


def _span(query: Mapping[str, str], now_ms: int) -> tuple[int, int]:
    start, end = query.get("from", ""), query.get("to", "")
    if all(text.isascii() and text.isdigit() and len(text) < 15 for text in (start, end)):
        start_ms, end_ms = int(start), int(end)
        if start_ms < end_ms <= start_ms + _LONGEST_MS:
            return start_ms, end_ms
    return now_ms - _DAY_MS, now_ms
