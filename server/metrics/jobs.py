"""What the job file says of jobs, as a series to join with."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from msgspec import Struct
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

_NOT_IN_A_LABEL = re.compile(r"[^a-zA-Z0-9_]")


class JobState(Struct, frozen=True):
    """A declared job."""

    name: str
    schedule: str
    timezone: str
    labels: Mapping[str, str]


class JobMetrics(Collector):
    """``cronprobe_job_info``; a job's own labels come as ``label_NAME``."""

    def __init__(self, *, states: Callable[[], Iterable[JobState]], registry: CollectorRegistry) -> None:
        self._states = states
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """The family as prometheus-client wants it."""
        info = Metric("cronprobe_job_info", "What the job file says of a job.", "gauge")
        for state in self._states():
            labels = {f"label_{_NOT_IN_A_LABEL.sub('_', name)}": value for name, value in state.labels.items()}
            own = {"cron_source": state.name, "schedule": state.schedule, "timezone": state.timezone}
            info.add_sample("cronprobe_job_info", {**own, **labels}, 1)
        yield info
