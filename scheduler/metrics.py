"""What Prometheus sees of the scheduler. Names and labels are an API: they only grow."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from scheduler.jobs import Job

_LAG_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """
    The scheduler's series, all there from the start.

    ``fired`` and ``missed`` count ticks, one for each task; ``lag`` is in seconds, one value a beat.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        ticks = Counter("cronprobe_scheduler_ticks", "Due ticks by how they ended.", ["outcome"], registry=registry)
        self.fired, self.overlapping, self.missed = (
            ticks.labels(outcome) for outcome in ("fired", "overlap", "missed")
        )
        self.lag = Histogram(
            "cronprobe_scheduler_lag_seconds",
            "From the scheduled time of a beat to its tasks being stored.",
            buckets=_LAG_BUCKETS_S,
            registry=registry,
        )
        self._jobs = Gauge("cronprobe_scheduler_jobs", "Jobs of the job files.", ["state"], registry=registry)
        self._successful = Gauge(
            "cronprobe_config_last_reload_successful", "Whether the last load went well.", registry=registry
        )
        self._loaded = Gauge(
            "cronprobe_config_last_reload_success_timestamp_seconds", "Time of the last good load.", registry=registry
        )
        Gauge("cronprobe_scheduler_leader", "Whether this scheduler fires.", registry=registry).set(1)

    def loaded(self, jobs: Iterable[Job], at_ms: int) -> None:
        """These jobs are the ones that run from now on."""
        states = [job.enabled for job in jobs]
        self._jobs.labels("enabled").set(states.count(True))
        self._jobs.labels("disabled").set(states.count(False))
        self._successful.set(1)
        self._loaded.set(at_ms / 1_000)

    def load_failed(self) -> None:
        """A load went wrong; what was loaded before goes on."""
        self._successful.set(0)
