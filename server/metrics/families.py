"""
How a probe is shown: the families of series about targets, and the lines of one probe in each.

To add one: its function, its line in ``FAMILIES``, its row in ``docs/metrics.md``.
"""

from collections.abc import Callable, Iterator
from itertools import accumulate

from msgspec import Struct

from server.metrics.stats import LATENCY_BOUNDS, ProbeStats
from server.metrics.text import Format, Head

_BUCKETS = (*(repr(bound) for bound in LATENCY_BOUNDS), "+Inf")


class Family(Struct, frozen=True):
    """
    ``made_from`` is what the lines are made from, or a count that grows whenever it changes: lines are written anew
    only when that is another one. ``open_lines`` are those of OpenMetrics, ``None`` where they are the same.
    ``is_full`` leaves the family out where the basic ones are wanted.
    """

    head: Head
    made_from: Callable[[ProbeStats], object]
    lines: Callable[[ProbeStats], str]
    open_lines: Callable[[ProbeStats], str] | None = None
    is_full: bool = False

    def text(self, stats: ProbeStats, form: Format) -> str:
        """The probe's lines, ``""`` for none."""
        lines = self.lines if form is Format.TEXT or self.open_lines is None else self.open_lines
        made_from = self.made_from(stats)
        shown = stats.texts.get(lines)
        if shown is not None and shown[0] == made_from:
            return shown[1]
        text = lines(stats)
        stats.texts[lines] = (made_from, text)
        return text


def _single(head: Head, value: Callable[[ProbeStats], float | None]) -> Family:
    """One line a probe, none while the value is ``None``."""

    def lines(stats: ProbeStats) -> str:
        found = value(stats)
        return "" if found is None else f"{head.name}{{{stats.labels_text}}} {found!r}\n"

    return Family(head, value, lines)


def _gauge(name: str, documentation: str, value: Callable[[ProbeStats], float | None]) -> Family:
    return _single(Head(name, "gauge", documentation), value)


def _phases(stats: ProbeStats) -> str:
    return "".join(
        f'probe_http_duration_seconds{{{stats.labels_text},phase="{phase}"}} {duration_s!r}\n'
        for phase, duration_s in stats.detail.phases_s
    )


def _runs(stats: ProbeStats) -> str:
    return "".join(
        f'cronprobe_runs_total{{{stats.labels_text},outcome="{outcome}"}} {count}\n'
        for outcome, count in stats.runs.items()
    )


def _failures(stats: ProbeStats) -> str:
    return "".join(
        f'cronprobe_run_failures_total{{{stats.labels_text},reason="{reason.word}"}} {count}\n'
        for reason, count in stats.failures.items()
    )


def _latencies(stats: ProbeStats) -> str:
    return "".join(_histogram(stats, [""] * len(_BUCKETS)))


def _latencies_with_exemplars(stats: ProbeStats) -> str:
    exemplars = [""] * len(_BUCKETS)
    for bucket, (task_id, latency, ended_ms) in stats.exemplars.items():
        exemplars[bucket] = f' # {{task_id="{task_id}"}} {latency!r} {ended_ms / 1000!r}'
    return "".join(_histogram(stats, exemplars))


def _histogram(stats: ProbeStats, exemplars: list[str]) -> Iterator[str]:
    labels = stats.labels_text
    for bound, count, exemplar in zip(_BUCKETS, accumulate(stats.buckets), exemplars, strict=True):
        yield f'cronprobe_latency_seconds_bucket{{{labels},le="{bound}"}} {count}{exemplar}\n'
    yield f"cronprobe_latency_seconds_sum{{{labels}}} {stats.latency_sum!r}\n"
    yield f"cronprobe_latency_seconds_count{{{labels}}} {stats.latency_count}\n"


FAMILIES = (
    _gauge("probe_success", "Whether the last known run was ok.", lambda stats: stats.success),
    _gauge("probe_duration_seconds", "Latency of the last ok run.", lambda stats: stats.latency),
    _gauge(
        "probe_degraded",
        "Whether the last known run was ok and slower than its warning.",
        lambda stats: None if stats.success is None else stats.degraded,
    ),
    _gauge("probe_http_status_code", "Status of the last known run.", lambda stats: stats.detail.status),
    Family(
        Head("probe_http_duration_seconds", "gauge", "Duration of the phases of the last known run."),
        lambda stats: stats.detail.phases_s,
        _phases,
        is_full=True,
    ),
    _gauge(
        "probe_ssl_earliest_cert_expiry",
        "When the certificate of the last known run ends, seconds since the epoch.",
        lambda stats: stats.detail.cert_expiry_s,
    ),
    _gauge(
        "probe_dns_lookup_time_seconds",
        "Time to resolve the name in the last known run.",
        lambda stats: stats.detail.dns_lookup_s,
    ),
    _gauge("probe_ip_protocol", "IP version of the last known run.", lambda stats: stats.detail.ip_protocol),
    _gauge(
        "probe_icmp_packet_loss_ratio",
        "Share of the packets of the last known run that were lost.",
        lambda stats: stats.detail.loss_ratio,
    ),
    _gauge(
        "cronprobe_last_run_timestamp_seconds",
        "Scheduled time of the last known run.",
        lambda stats: stats.last_run,
    ),
    Family(Head("cronprobe_runs_total", "counter", "Ended runs by outcome."), lambda stats: stats.runs_total, _runs),
    Family(
        Head("cronprobe_run_failures_total", "counter", "Failed and unknown runs by reason."),
        lambda stats: stats.failures_total,
        _failures,
    ),
    _single(
        Head("cronprobe_icmp_packets_sent_total", "counter", "Packets that the agent says it sent."),
        lambda stats: stats.packets_sent or None,
    ),
    _single(
        Head("cronprobe_icmp_packets_received_total", "counter", "Packets that the agent says were answered."),
        lambda stats: stats.packets_received if stats.packets_sent else None,
    ),
    Family(
        Head("cronprobe_latency_seconds", "histogram", "Latency of ok runs, of each packet where the agent tells."),
        lambda stats: stats.latency_count,
        _latencies,
        _latencies_with_exemplars,
        is_full=True,
    ),
)
