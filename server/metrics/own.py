"""The server's metrics about itself, in prometheus-client's registry."""

import platform
from importlib.metadata import version
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

from server.metrics.histogram import BatchHistogram
from server.store.interface import Change, DeleteIds, DeleteTasks, FinishTasks, InsertTasks, ReplaceLate

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class OwnMetrics:
    """One attribute a metric; whoever knows the fact counts it here."""

    def __init__(self, registry: CollectorRegistry) -> None:
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        build = Gauge("cronprobe_build_info", "What runs here.", ["version", "python_version"], registry=registry)
        build.labels(version("cronprobe"), platform.python_version()).set(1)
        self.store_queue_depth = Gauge(
            "cronprobe_store_queue_depth", "Changes that wait for their commit.", registry=registry
        )
        self.store_up = Gauge("cronprobe_store_up", "Whether the last commit succeeded.", registry=registry)
        self.store_up.set(1)
        self._is_store_up = True
        self.store_write_seconds = Histogram(
            "cronprobe_store_write_seconds", "Duration of a group commit.", buckets=_SECONDS, registry=registry
        )
        self._store_rows = Counter("cronprobe_store_rows_total", "Rows written.", ["op"], registry=registry)
        self._inserted = self._store_rows.labels("insert")
        self._updated = self._store_rows.labels("update")
        self._deleted = self._store_rows.labels("delete")
        self.store_errors = Counter("cronprobe_store_errors_total", "Commits that failed.", registry=registry)
        self.dispatch_seconds = BatchHistogram(
            "cronprobe_dispatch_seconds", "From stored to sent.", bounds=_SECONDS, registry=registry
        )
        self.result_seconds = BatchHistogram(
            "cronprobe_result_seconds", "From sent to stored result.", bounds=_SECONDS, registry=registry
        )
        self.results_late = Counter(
            "cronprobe_results_late_total", "Results that came after their deadline.", registry=registry
        )
        self.results_rejected = Counter(
            "cronprobe_results_rejected_total", "Uploads that were refused.", ["reason"], registry=registry
        )
        self.rpc_requests = Counter(
            "cronprobe_rpc_requests_total", "Calls answered; code 0 is success.", ["method", "code"], registry=registry
        )
        self.rpc_seconds = Histogram(
            "cronprobe_rpc_request_seconds", "Duration of a call.", ["method"], buckets=_SECONDS, registry=registry
        )
        self.sessions_replaced = Counter(
            "cronprobe_agent_sessions_replaced_total",
            "Sessions whose agent registered on another connection.",
            registry=registry,
        )

    def is_store_up(self) -> bool:
        """Whether the last commit succeeded."""
        return self._is_store_up

    def commit_ended(self, *, well: bool) -> None:
        """Tell how the last commit went."""
        self._is_store_up = well
        self.store_up.set(well)
        if not well:
            self.store_errors.inc()

    def count_rows(self, change: Change, answer: Any) -> None:
        """Count what a committed change wrote, by the store's answer to it."""
        match change:
            case InsertTasks(rows):
                self._inserted.inc(len(rows) - len(answer))
            case FinishTasks(rows):
                self._updated.inc(len(rows))
            case ReplaceLate():
                self._updated.inc(answer)
            case DeleteIds():
                self._deleted.inc(answer)
            case DeleteTasks():
                self._deleted.inc(answer[0])
            case _:
                pass
