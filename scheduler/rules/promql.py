"""The small parts that queries and texts of rules are put together from."""

import re
from collections.abc import Mapping

from scheduler.jobs import Job

_UNITS_MS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))
_NOT_IN_A_LABEL = re.compile(r"[^a-zA-Z0-9_]")
_TAKEN = frozenset({"cron_source", "agent", "type", "target", "severity", "alertname", "alertstate", "job", "instance"})


def of_job(job: Job, *more: str) -> str:
    """The selector of a job's series; ``more`` are further matchers."""
    return "{" + ",".join([f'cron_source="{job.name}"', *more]) + "}"


def increase(metric: str, selector: str, window: str) -> str:
    """How much the counters of a job grew over the window, in all."""
    return f"sum by (cron_source) (increase({metric}{selector}[{window}]))"


def unless_in_maintenance(job: Job | None = None) -> str:
    """What silences an alert while its job, ``None`` for any, is in maintenance."""
    return f"unless on (cron_source) cronprobe_job_in_maintenance{'' if job is None else of_job(job)} == 1"


def duration(ms: int) -> str:
    """As Prometheus reads it and people like it: in several units, the largest first."""
    parts = []
    for unit, size in _UNITS_MS:
        count, ms = divmod(ms, size)
        parts += [f"{count}{unit}"] if count else []
    return "".join(parts) or "0s"


def number(value: float) -> str:
    """Without the noise of binary fractions."""
    return f"{value:.10g}"


def literal(text: str) -> str:
    """The text as it is, where Prometheus expects a template."""
    return text.replace("{{", '{{"{{"}}')


def labels(job: Job, severity: str) -> dict[str, str]:
    """
    What an alert carries besides the labels of its series: those of the job, under names that Prometheus takes.

    A name that means something already, or that Prometheus keeps for itself, begins with ``label_``.
    """
    own = {_label_name(name): literal(value) for name, value in job.labels.items()}
    return {"cron_source": job.name, "severity": literal(severity), **own}


def _label_name(name: str) -> str:
    clean = _NOT_IN_A_LABEL.sub("_", name)
    return f"label_{clean}" if clean in _TAKEN or clean.startswith("__") or clean[0].isdigit() else clean


def annotations(job: Job, summary: str, description: str, **more: str) -> Mapping[str, str]:
    """What an alert says; the job's own description goes first."""
    own = "" if job.description is None else literal(job.description).rstrip(". ") + ". "
    runbook = {} if job.runbook_url is None else {"runbook_url": literal(job.runbook_url)}
    return {"summary": summary, "description": own + description, **more, **runbook}
