"""
What rings for a job: its target fails, or nobody knows how it is.

A run that is unknown says nothing of the target, so it keeps the first from changing and leads to the second.
"""

from collections.abc import Iterator

from scheduler.jobs import Job
from scheduler.rules.interface import Alerting
from scheduler.rules.periods import longest_pause_ms, period_ms, watched_minutes, window_ms
from scheduler.rules.promql import annotations, duration, labels, number, of_job, unless_in_maintenance

_PERIODS_BEFORE_IT_RINGS = 2
_PERIODS_OF_SILENCE = 3
_LEAST_SILENCE_MS = 120_000
"""Below it a scrape that fails, or comes once a minute, would look like silence."""
_MINUTE_OF_THE_WEEK = "(day_of_week() * 1440 + hour() * 60 + minute())"


def alerts(job: Job) -> Iterator[Alerting]:
    """The alerts of an enabled job that has agents."""
    yield _failing(job)
    yield _no_data(job)


def for_ms(job: Job) -> int:
    """For how long its target has to fail."""
    period = period_ms(job.schedule)
    return _PERIODS_BEFORE_IT_RINGS * period if job.alert.for_ms is None else job.alert.for_ms


def quorum(job: Job) -> int:
    """How many agents have to see it fail: never more than there are."""
    return min(job.alert.quorum, len(job.agents))


def longest_silence(job: Job) -> tuple[int, tuple[tuple[int, int], ...]]:
    """
    After how many ms without a known run nobody knows how the target is, and at which minutes of the week that counts.

    These are ranges in UTC, from Sunday 00:00; none is always. Active windows that are too short to wait so long in
    them do not limit when it counts: it takes as much longer as they are apart.
    """
    silence = max(_LEAST_SILENCE_MS, _PERIODS_OF_SILENCE * period_ms(job.schedule)) + job.timeout_ms
    pause = longest_pause_ms(job.active)
    watched = watched_minutes(job.active, job.timezone, silence) if pause else ()
    return (silence if watched else silence + pause), watched


def _failing(job: Job) -> Alerting:
    failing = f"count by (cron_source, type, target) (probe_success{of_job(job)} == 0) >= {quorum(job)}"
    return Alerting(
        alert="CronprobeProbeFailing",
        expr=f"{failing}\n{unless_in_maintenance(job)}",
        length=duration(for_ms(job)),
        labels=labels(job, job.alert.severity),
        annotations=annotations(
            job,
            "{{ $labels.target }} fails: {{ $labels.type }} of job {{ $labels.cron_source }}",
            f"{{{{ $value }}}} of {len(job.agents)} agents found it failing in their last run, "
            f"for {duration(for_ms(job))}. Look at what they say: "
            f"cronprobe query --cron-source {job.name} --failed",
            reason=_reason(job),
        ),
    )


def _reason(job: Job) -> str:
    """The most frequent reason of late, as a template; a series that has just begun has not increased yet."""
    window = duration(window_ms(period_ms(job.schedule)))
    failures = f"cronprobe_run_failures_total{of_job(job, 'type=%q', 'target=%q')}"
    new = f"({failures} unless {failures} offset {window}) > 0"
    query = f"topk(1, sum by (reason) (increase({failures}[{window}]) > 0 or {new}))"
    arguments = " ".join(["$labels.type $labels.target"] * 3)
    return f"{{{{ with printf `{query}` {arguments} | query }}}}{{{{ (first .).Labels.reason }}}}{{{{ end }}}}"


def _no_data(job: Job) -> Alerting:
    silence, watched = longest_silence(job)
    ranges = "\n  or ".join(f"{_MINUTE_OF_THE_WEEK} >= {start} < {end}" for start, end in watched)
    gate = f"\nand on () (\n  {ranges}\n)" if watched else ""
    length = duration(silence)
    age = f"time() - cronprobe_last_run_timestamp_seconds{of_job(job)} > {number(silence / 1_000)}"
    unknown = "cronprobe_runs_total" + of_job(job, 'outcome="unknown"')
    lasting = f"sum without (outcome) ({unknown} > 0 and {unknown} offset {length} > 0)"
    never = f"({lasting}\n    unless cronprobe_last_run_timestamp_seconds{of_job(job)})"
    return Alerting(
        alert="CronprobeProbeNoData",
        expr=f"(\n  {age}\n  or {never}\n){gate}\n{unless_in_maintenance(job)}",
        labels=labels(job, job.alert.severity),
        annotations=annotations(
            job,
            "Nobody knows how {{ $labels.target }} is: job {{ $labels.cron_source }} from {{ $labels.agent }}",
            f"No run was ok or failed for more than {length}. The agent is away, or its runs end as unknown: look at "
            f"cronprobe query --cron-source {job.name} for the reason.",
        ),
    )
