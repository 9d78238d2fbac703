"""What is kept of every job: how much of it was ok, how fast, and how much of it was measured at all."""

from collections.abc import Iterator

from scheduler.jobs import Job
from scheduler.rules.interface import Recording
from scheduler.rules.periods import period_ms, window_ms
from scheduler.rules.promql import duration, increase, of_job

_QUANTILES = (("p50", "0.5"), ("p95", "0.95"), ("p99", "0.99"))


def recordings(job: Job) -> Iterator[Recording]:
    """None of them has a sample while there was nothing to take it of."""
    for name, expr in _ratios(job):
        yield recording(job, name, expr)


def recording(job: Job, name: str, expr: str) -> Recording:
    """A series of the job; the label is what tells promtool that it is not another job's."""
    return Recording(f"cron_source:{name}", expr, {"cron_source": job.name})


def _ratios(job: Job) -> Iterator[tuple[str, str]]:
    window = duration(window_ms(period_ms(job.schedule)))
    known = increase("cronprobe_runs_total", of_job(job, 'outcome=~"ok|failed"'), window)
    ok = increase("cronprobe_runs_total", of_job(job, 'outcome="ok"'), window)
    ended = increase("cronprobe_runs_total", of_job(job), window)
    yield "probe_success:ratio", f"{ok}\n/ ({known} > 0)"
    yield "cronprobe_coverage:ratio", f"{known}\n/ ({ended} > 0)"
    buckets = f"sum by (cron_source, le) (rate(cronprobe_latency_seconds_bucket{of_job(job)}[{window}]))"
    for name, quantile in _QUANTILES:
        # the comparison drops the NaN of no runs
        yield f"cronprobe_latency_seconds:{name}", f"histogram_quantile({quantile}, {buckets}) >= 0"
