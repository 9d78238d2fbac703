"""Panels of a job about what its runs measured."""

from grafana import looks
from grafana.panels import Panel, buckets, graph, numbers, timeline
from grafana.queries import PROBE, Query, quantiles

_BUCKETS = f"cronprobe_latency_seconds_bucket{{{PROBE}}}"
_EACH = "{{agent}} {{target}}"
_NO_OK_RUNS = "no ok runs in this window, or metrics are basic"
_NO_HTTP = "no HTTP in this job, a stock agent, or metrics are basic"
_DAY_S = 86_400


def latency_panels() -> list[Panel]:
    """How long ok runs took."""
    return [
        buckets(
            "Latency, all runs",
            "Ok runs by latency: the darker, the more. Two bands are two kinds of answer, such as a cache that hits "
            "and misses; a band that rises is a target that slows down.",
            _BUCKETS,
            empty=_NO_OK_RUNS,
        ),
        graph(
            "Latency percentiles",
            "Of ok runs in the window, from all chosen agents. p99 alone rising: a few slow runs; all three: the "
            "target or the way to it.",
            quantiles(_BUCKETS, "$window"),
            unit="s",
            empty=_NO_OK_RUNS,
            width=12,
        ),
        graph(
            "Latency by agent and target",
            "The last ok run of each probe, as the agent measured it. One line above its usual place: compare the "
            "others to tell the target from the network.",
            [Query(f"probe_duration_seconds{{{PROBE}}}", _EACH)],
            unit="s",
            empty="no ok run yet",
            width=24,
        ),
    ]


def http_panels() -> list[Panel]:
    """What the agent tells of HTTP, TLS and name resolution."""
    expiry = f"min by (agent, target) (probe_ssl_earliest_cert_expiry{{{PROBE}}}) - time()"
    return [
        graph(
            "HTTP phases",
            "Where the time of the last run went, the mean of the chosen probes: resolving, connecting, TLS, waiting "
            "for the answer (processing), reading it (transfer). The layer that grows is where to look.",
            [Query(f"avg by (phase) (probe_http_duration_seconds{{{PROBE}}})", "{{phase}}")],
            unit="s",
            empty=_NO_HTTP,
            stacked=True,
            width=12,
        ),
        graph(
            "Name resolution",
            "How long the last run waited for its resolver. High from one agent: its resolver; from all: the zone's "
            "servers.",
            [Query(f"probe_dns_lookup_time_seconds{{{PROBE}}}", _EACH)],
            unit="s",
            empty="nothing was resolved, or a stock agent",
            width=12,
        ),
        timeline(
            "Status codes",
            "The status of each probe's last response. From 400 on the target refuses or breaks; 300 may be a "
            "redirect that the job does not follow.",
            [Query(f"probe_http_status_code{{{PROBE}}}", _EACH)],
            empty="no HTTP in this job, or a stock agent",
            steps=[(None, looks.GOOD), (300, looks.AWAY), (400, looks.LOOK), (500, looks.BAD)],
            width=12,
        ),
        numbers(
            "Certificate expires in",
            "Time until the earliest end among the certificates that the target showed. Below 30 days renew it, "
            "below 7 somebody is paged; below 0 it has expired.",
            [Query(expiry, _EACH)],
            unit="dtdurations",
            empty="no TLS in this job, or a stock agent",
            low=None,
            steps=[(None, looks.BAD), (7 * _DAY_S, looks.LOOK), (30 * _DAY_S, looks.GOOD)],
            width=6,
            height=8,
        ),
        numbers(
            "IP protocol",
            "4 or 6: what the last run was measured over. Another one than expected: the target's addresses or the "
            "option family.",
            [Query(f"probe_ip_protocol{{{PROBE}}}", _EACH)],
            unit="none",
            empty="a stock agent tells none",
            high=6,
            width=6,
            height=8,
        ),
    ]


def icmp_panels() -> list[Panel]:
    """What pings lose."""
    received = f"sum by (agent, target) (increase(cronprobe_icmp_packets_received_total{{{PROBE}}}[$window]))"
    sent = f"sum by (agent, target) (increase(cronprobe_icmp_packets_sent_total{{{PROBE}}}[$window]))"
    return [
        graph(
            "Packets lost, last run",
            "The share of echoes of each probe's last run that had no answer. Judged by expect.loss, if the job has "
            "it.",
            [Query(f"probe_icmp_packet_loss_ratio{{{PROBE}}}", _EACH)],
            unit="percentunit",
            empty="no ping in this job, or a stock agent",
            high=1,
            width=12,
        ),
        graph(
            "Packets lost in the window",
            "The share over all runs in the window: steadier than the last run, and comparable between agents.",
            [Query(f"1 - {received} / {sent}", _EACH)],
            unit="percentunit",
            empty="no ping in this job, or a stock agent",
            high=1,
            width=12,
        ),
    ]
