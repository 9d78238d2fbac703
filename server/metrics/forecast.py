"""How many series a probe will have once it was ok, before it runs: so that ``plan`` can say it."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import msgspec

from protocol.tasks import TASK_TYPES, read_shown_task
from protocol.tasks.interface import Task
from server.config import MetricsExtent
from server.metrics.details import PHASES, read_detail
from server.metrics.probes import families_of
from server.metrics.stats import ProbeLabels, ProbeStats, Run
from server.metrics.text import Format

_HTTP = ("http_ping", "http_request")


def series_of_a_probe(task: bytes, options: bytes | None, extent: MetricsExtent) -> int:
    """
    The series of one that does this task with these options, both JSON as people may see it, on an agent of ours.

    Each reason why it is not ok adds one. What stands for a secret is taken to be a name.
    """
    shown = read_shown_task(task)
    detail = _detail(shown, None if options is None else msgspec.json.decode(options))
    stats = ProbeStats(ProbeLabels("", "", "", ""))
    has_latency = TASK_TYPES[shown.name].is_latency or "duration_ms" in detail
    stats.record(Run(None, 1 if has_latency else None, 1, detail=read_detail(detail)))
    return sum(family.text(stats, Format.TEXT).count("\n") for family in families_of(extent))


def _detail(task: Task, options: Mapping[str, Any] | None) -> dict[str, Any]:
    """What such an agent tells of a run that was ok; the values do not matter."""
    given = options or {}
    if task.name in _HTTP:
        url = str(task.payload["url"] if isinstance(task.payload, dict) else task.payload)
        return {
            "duration_ms": 1,
            "status": 200,
            "phases_ms": dict.fromkeys(PHASES if task.name == "http_request" else PHASES[:-1], 0),
            **({} if given.get("proxy") else {"address": "::"}),
            **({"cert_expires_at": 1} if url.lower().startswith("https:") else {}),
        }
    if task.name not in ("ping", "tcp_ping"):
        return {}
    told: dict[str, Any] = {} if options is None else {"address": "::"}
    if _is_name(str(task.payload), has_port=task.name == "tcp_ping"):
        told |= {"address": "::", "resolve_ms": 1}
    if task.name == "ping" and options is not None:
        told |= {"sent": 1, "received": 1, "loss": 0}
    if given.get("tls"):
        told["cert_expires_at"] = 1
    return told


def _is_name(target: str, *, has_port: bool) -> bool:
    """Whether it has to be resolved."""
    host = target.rpartition(":")[0].strip("[]") if has_port else target
    try:
        ip_address(host)
    except ValueError:
        return True
    return False
