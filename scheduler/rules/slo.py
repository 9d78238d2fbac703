"""
Objectives of jobs: how much of their error budget is spent, and how fast.

Burn rates over several windows, as in chapter 5 of https://sre.google/workbook/alerting-on-slos/. A run is bad when it
failed or, with a latency, was slower; an unknown run is neither good nor bad.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from msgspec import Struct

from scheduler.jobs import Job, Slo
from scheduler.rules.interface import Alerting, Rule
from scheduler.rules.periods import period_ms, window_ms
from scheduler.rules.promql import annotations, duration, increase, labels, number, of_job, unless_in_maintenance
from scheduler.rules.recording import recording

_MINUTE_MS = 60_000
_HOUR_MS = 60 * _MINUTE_MS
_DAY_MS = 24 * _HOUR_MS
_WINDOWS_MS = (
    *(5 * _MINUTE_MS, 30 * _MINUTE_MS, _HOUR_MS, 2 * _HOUR_MS, 6 * _HOUR_MS),
    *(_DAY_MS, 3 * _DAY_MS),
)
_ERRORS = "cronprobe_slo_errors:ratio_rate"
_LEFT = "cronprobe_slo_error_budget_remaining:ratio"
_TICKET = "ticket"


class Burn(Struct, frozen=True):
    """Rings when errors were ``rate`` times what the budget allows, over a long and still over a short window."""

    is_fast: bool
    long_ms: int
    short_ms: int
    rate: float


# fast or slow, windows, and the share of the budget that is spent in the long one when it rings
_BURNS = (
    (True, _HOUR_MS, 5 * _MINUTE_MS, 0.02),
    (True, 6 * _HOUR_MS, 30 * _MINUTE_MS, 0.05),
    (False, _DAY_MS, 2 * _HOUR_MS, 0.1),
    (False, 3 * _DAY_MS, 6 * _HOUR_MS, 0.1),
)


def burns(slo: Slo, least_ms: int) -> list[Burn]:
    """
    The burn rates that ring for an objective, for runs that are judged over ``least_ms`` or longer.

    For 30 days they are 14.4, 6, 3 and 1. A long window that is too short for the job, or longer than the objective's,
    is left out, but one is always there. A rate is never below 1, which is when the budget just lasts, and one that
    cannot be reached even when every run is bad is left out.
    """
    found = [
        Burn(is_fast, long_ms, max(short_ms, least_ms), _rate(slo, share, long_ms))
        for is_fast, long_ms, short_ms, share in _BURNS
        if least_ms <= long_ms <= slo.window_ms
    ]
    possible = [burn for burn in found if burn.rate * budget(slo) < 1]
    return possible or [Burn(False, least_ms, least_ms, 1.0)]


def _rate(slo: Slo, share: float, long_ms: int) -> float:
    return max(1.0, share * slo.window_ms / long_ms)


def budget(slo: Slo) -> float:
    """The share of runs that may be bad."""
    return round((100 - slo.objective) / 100, 12)


def windows_ms(job: Job) -> list[int]:
    """Over which windows errors are kept: the usual ones, from the shortest on that the job can be judged over."""
    least_ms = window_ms(period_ms(job.schedule))
    return sorted({least_ms, *(window for window in _WINDOWS_MS if window > least_ms)})


def slo_rules(job: Job, slo: Slo, bounds: Sequence[float]) -> Iterator[Rule]:
    """The rules of an objective; ``bounds`` are the upper bounds of the latency's buckets, ascending seconds."""
    objective = number(1 - budget(slo))
    yield recording(job, "cronprobe_slo_objective:ratio", f"vector({objective})")
    bound = bound_of(slo, bounds)
    for window in map(duration, windows_ms(job)):
        yield recording(job, _ERRORS + window, _errors(job, window, bound))
    errors = f"cron_source:{_ERRORS}{duration(windows_ms(job)[0])}{of_job(job)}"
    spent = f"avg_over_time({errors}[{duration(slo.window_ms)}]) / {number(budget(slo))}"
    yield recording(job, _LEFT, f"1 - {spent}")
    found = burns(slo, windows_ms(job)[0])
    for is_fast in (True, False):
        some = [burn for burn in found if burn.is_fast is is_fast]
        if some:
            yield _alert(job, slo, some, bounds)


def bound_of(slo: Slo, bounds: Sequence[float]) -> float | None:
    """The first bound at or above the latency; ``None`` when there is none, or no latency."""
    if slo.latency_ms is None:
        return None
    place = bisect_left(bounds, slo.latency_ms / 1_000)
    return bounds[place] if place < len(bounds) else None


def _errors(job: Job, window: str, bound: float | None) -> str:
    failed = increase("cronprobe_runs_total", of_job(job, 'outcome="failed"'), window)
    known = increase("cronprobe_runs_total", of_job(job, 'outcome=~"ok|failed"'), window)
    if bound is None:
        return f"{failed}\n/ ({known} > 0)"
    measured = increase("cronprobe_latency_seconds_count", of_job(job), window)
    fast = increase("cronprobe_latency_seconds_bucket", of_job(job, f'le="{bound!r}"'), window)
    return f"(\n  {failed}\n  + {measured}\n  - {fast}\n)\n/ ({known} > 0)"


def _alert(job: Job, slo: Slo, found: Sequence[Burn], bounds: Sequence[float]) -> Alerting:
    is_fast = found[0].is_fast
    terms = [" and ".join(_above(job, slo, burn, window) for window in _windows(burn)) for burn in found]
    pairs = ", or ".join(f"{number(burn.rate)}× over {' and '.join(map(duration, _windows(burn)))}" for burn in found)
    left = f"cron_source:{_LEFT}{of_job(job)}"
    return Alerting(
        alert="CronprobeSloBurnFast" if is_fast else "CronprobeSloBurnSlow",
        expr="(\n  ({})\n)\n{}".format(")\n  or (".join(terms), unless_in_maintenance(job)),
        labels=labels(job, job.alert.severity if is_fast else _TICKET),
        annotations=annotations(
            job,
            f"{{{{ $labels.cron_source }}}} spends its error budget {'fast' if is_fast else 'steadily'}",
            f"{{{{ $value | humanizePercentage }}}} of runs are bad, where {number(budget(slo) * 100)}% may be over "
            f"{duration(slo.window_ms)}. It rings at {pairs}. Of the budget "
            f"{{{{ with query `{left}` }}}}{{{{ . | first | value | humanizePercentage }}}}{{{{ end }}}} is left. "
            f"Look at cronprobe query --cron-source {job.name} --failed",
            **_latency(slo, bounds),
        ),
    )


def _windows(burn: Burn) -> list[int]:
    return sorted({burn.long_ms, burn.short_ms}, reverse=True)


def _above(job: Job, slo: Slo, burn: Burn, window: int) -> str:
    return f"cron_source:{_ERRORS}{duration(window)}{of_job(job)} > {number(burn.rate)} * {number(budget(slo))}"


def _latency(slo: Slo, bounds: Sequence[float]) -> dict[str, str]:
    """What the histogram makes of the objective's latency."""
    if slo.latency_ms is None:
        return {}
    wanted, bound = duration(slo.latency_ms), bound_of(slo, bounds)
    if bound is None:
        return {"latency": f"{wanted} is above the last bound of the histogram, {bounds[-1]:g}s: no run is too slow"}
    return {"latency": f"bad is slower than {bound:g}s, the first bound of the histogram at or above {wanted}"}
