"""The cases of jobs: their targets fail, nobody knows how they are, and their budgets are spent."""

from collections.abc import Iterator, Sequence
from typing import Any

from scheduler.jobs import Job, Slo
from scheduler.rules.alerts import for_ms, longest_silence, quorum
from scheduler.rules.cases.series import case, growing, held, rings, series
from scheduler.rules.periods import WEEK_MIN, period_ms, window_ms
from scheduler.rules.slo import Burn, bound_of, budget, burns

_MINUTE_MS = 60_000
_MOST_MINUTES = 24 * 60
_WELL_MIN = 5
_EPOCH_MIN_OF_WEEK = 4 * 24 * 60
"""promtool's time begins on a Thursday."""
_RUNS_A_MINUTE = 1_000.0
_BURN_MIN = 15

Case = dict[str, Any]


def cases_of_jobs(jobs: Sequence[Job], bounds: Sequence[float]) -> Iterator[Case]:
    """The cases of jobs that run; none where there would be nothing to test. ``bounds`` are those of the latency."""
    failing = [job for job in jobs if _minutes(for_ms(job)) <= _MOST_MINUTES]
    if failing:
        yield from _failing(failing)
    silent = [(job, minute) for job in jobs if (minute := _silent_at(job)) is not None]
    if silent:
        yield _last_run_too_old(silent)
        yield _never_known(silent)
    objectives = [(job, job.slo) for job in jobs if job.slo is not None]
    for alert, is_fast in (("CronprobeSloBurnFast", True), ("CronprobeSloBurnSlow", False)):
        some = [(job, slo, found) for job, slo in objectives if (found := _burns(job, slo, is_fast))]
        if some:
            yield from _burning(alert, some, bounds)


def _minutes(ms: int) -> int:
    return -(-ms // _MINUTE_MS)


def _labels(job: Job, agent: int = 0) -> dict[str, str]:
    cell, runs_it = job.cells[0], job.agents[agent]
    return {
        "cron_source": job.name,
        "agent": runs_it.name or runs_it.uuid,
        "type": cell.type_name,
        "target": cell.target,
    }


def _of(job: Job) -> dict[str, str]:
    return {"cron_source": job.name}


def _failing(jobs: Sequence[Job]) -> Iterator[Case]:
    """Well, then bad for long enough, then well again; and the same in maintenance."""
    bad = max(_minutes(for_ms(job)) for job in jobs) + _WELL_MIN
    end = _WELL_MIN + bad
    values = held((1, _WELL_MIN), (0, bad), (1, _WELL_MIN))
    inputs = [series("probe_success", _labels(job, agent), values) for job in jobs for agent in range(quorum(job))]
    checks = []
    for job in jobs:
        due = _WELL_MIN + _minutes(for_ms(job))
        expected = ((due - 1, 0), (due, 1), (end - 1, 1), (end + 1, 0))
        checks += [rings(minute, "CronprobeProbeFailing", _of(job), count) for minute, count in expected]
    yield case("targets fail and recover", inputs, checks)
    quiet = [rings(end - 1, "CronprobeProbeFailing", _of(job), 0) for job in jobs]
    yield case("targets fail in maintenance", [*inputs, *_maintenance(jobs, end)], quiet)


def _maintenance(jobs: Sequence[Job], minutes: int) -> list[dict[str, str]]:
    return [series("cronprobe_job_in_maintenance", _of(job), held((1, minutes))) for job in jobs]


def _silent_at(job: Job) -> int | None:
    """The minute at which the silence of a job that ran at minute 0 rings; ``None``: too late for a case."""
    silence, watched = longest_silence(job)
    for minute in range(silence // _MINUTE_MS + 1, _MOST_MINUTES):
        of_week = (_EPOCH_MIN_OF_WEEK + minute) % WEEK_MIN
        if not watched or any(start <= of_week < end for start, end in watched):
            return minute
    return None


def _last_run_too_old(jobs: Sequence[tuple[Job, int]]) -> Case:
    inputs, checks = [], []
    for job, minute in jobs:
        values = held((0, minute + 1), (60 * (minute + 1), _WELL_MIN))
        inputs.append(series("cronprobe_last_run_timestamp_seconds", _labels(job), values))
        expected = ((minute - 1, 0), (minute, 1), (minute + 1, 0))
        checks += [rings(at, "CronprobeProbeNoData", _of(job), count) for at, count in expected]
    return case("runs stop and go on", inputs, checks)


def _never_known(jobs: Sequence[tuple[Job, int]]) -> Case:
    inputs, checks = [], []
    for job, minute in jobs:
        labels = {**_labels(job), "outcome": "unknown"}
        inputs.append(series("cronprobe_runs_total", labels, held((1, minute + _WELL_MIN))))
        checks += [rings(at, "CronprobeProbeNoData", _of(job), count) for at, count in ((1, 0), (minute, 1))]
    return case("no run was ever known", inputs, checks)


def _burns(job: Job, slo: Slo, is_fast: bool) -> list[Burn]:
    return [burn for burn in burns(slo, window_ms(period_ms(job.schedule))) if burn.is_fast is is_fast]


def _burning(alert: str, jobs: Sequence[tuple[Job, Slo, list[Burn]]], bounds: Sequence[float]) -> Iterator[Case]:
    """A tenth above the least rate that rings, a tenth below it, and above it in maintenance."""

    def inputs(factor: float) -> list[dict[str, str]]:
        shares = (factor * min(burn.rate for burn in found) * budget(slo) for _, slo, found in jobs)
        return [
            part
            for (job, slo, _), share in zip(jobs, shares, strict=True)
            for part in _runs(job, bound_of(slo, bounds), min(1.0, share))
        ]

    def checks(count: int) -> list[dict[str, Any]]:
        return [rings(_BURN_MIN - 1, alert, _of(job), count) for job, _, _ in jobs]

    yield case(f"{alert}: a tenth above its rate", inputs(1.1), checks(1))
    yield case(f"{alert}: a tenth below its rate", inputs(0.9), checks(0))
    silenced = _maintenance([job for job, _, _ in jobs], _BURN_MIN)
    yield case(f"{alert}: above its rate in maintenance", [*inputs(1.1), *silenced], checks(0))


def _runs(job: Job, bound: float | None, bad: float) -> Iterator[dict[str, str]]:
    """Runs of which a share is bad: slower than ``bound``, or failed when there is none."""
    failed = bad if bound is None else 0.0
    parts = [
        ("cronprobe_runs_total", {"outcome": "ok"}, 1 - failed),
        ("cronprobe_runs_total", {"outcome": "failed"}, failed),
    ]
    if bound is not None:
        parts.append(("cronprobe_latency_seconds_bucket", {"le": repr(bound)}, 1 - bad))
        parts.append(("cronprobe_latency_seconds_count", {}, 1.0))
    for metric, more, share in parts:
        yield series(metric, {**_labels(job), **more}, growing((share * _RUNS_A_MINUTE, _BURN_MIN)))
