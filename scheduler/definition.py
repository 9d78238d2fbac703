"""
A job in the words of the job file, after defaults, profiles, matrix and selectors: what people are shown and compare.

Secrets stand as their references. Without a matrix the result can be loaded again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from scheduler.durations import duration_text
from scheduler.jobs import Alert, Cell, Job, Slo
from scheduler.windows import Weekly, Window

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def definition(job: Job) -> dict[str, Any]:
    """The job's keys in the order of the documentation; what is as if it was not given is left out."""
    keys: dict[str, Any] = {
        "description": job.description,
        "runbook_url": job.runbook_url,
        "enabled": None if job.enabled else False,
        "schedule": job.schedule,
        "timezone": job.timezone,
        "splay": duration_text(job.splay_ms) if job.splay_ms else None,
        "misfire": None if job.misfire == "skip" else job.misfire,
        "overlap": None if job.overlap == "allow" else job.overlap,
        "active": _windows(job.active),
        "maintenance": _windows(job.maintenance),
        "agents": [agent.name or agent.uuid for agent in job.agents],
        "timeout": duration_text(job.timeout_ms),
        "labels": dict(job.labels) or None,
        "retention": None if job.retention_ms is None else duration_text(job.retention_ms),
        "slo": None if job.slo is None else _slo(job.slo),
        "alert": None if job.alert == Alert() else _alert(job.alert),
    }
    shown = {key: job.shown.get(key, value) for key, value in keys.items()}
    given = {key: value for key, value in shown.items() if value is not None}
    return given | _cells(job.cells)


def _cells(cells: Sequence[Cell]) -> dict[str, Any]:
    if [cell.name for cell in cells] == [""]:
        return _cell(cells[0])
    return {"cells": {cell.name: _cell(cell) for cell in cells}}


def _cell(cell: Cell) -> dict[str, Any]:
    found: dict[str, Any] = {"task": msgspec.json.decode(cell.task_text), "target": cell.target or None}
    if cell.expect is not None:
        found["expect"] = _expect(msgspec.json.decode(cell.expect))
    if cell.options is not None:
        found["options"] = _options(msgspec.json.decode(cell.options))
    return {key: value for key, value in found.items() if value is not None}


def _expect(expect: Mapping[str, Any]) -> dict[str, Any]:
    """Milliseconds as durations again."""
    found = dict(expect)
    if "latency" in found:
        found["latency"] = {key.removesuffix("_ms"): duration_text(ms) for key, ms in found["latency"].items()}
    if "cert_valid_for_ms" in found:
        found["cert_valid_for"] = duration_text(found.pop("cert_valid_for_ms"))
    return found


def _options(options: Mapping[str, Any]) -> dict[str, Any]:
    """As people write them: with units, and ``auto`` for what is left open."""
    found = dict(options)
    if "interval_ms" in found:
        found["interval"] = duration_text(found.pop("interval_ms"))
    if found.get("family", 0) is None:
        found["family"] = "auto"
    return found


def _windows(windows: Sequence[Window]) -> list[dict[str, Any]] | None:
    return [_window(window) for window in windows] or None


def _window(window: Window) -> dict[str, Any]:
    if isinstance(window, Weekly):
        days = ",".join(_DAYS[day] for day in window.days)
        return {"days": days, "from": _time(window.start_min), "to": _time(window.end_min)}
    return {"from": window.start.isoformat(), "to": window.end.isoformat()}


def _time(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _slo(slo: Slo) -> dict[str, Any]:
    latency = {} if slo.latency_ms is None else {"latency": duration_text(slo.latency_ms)}
    return {"objective": slo.objective, "window": duration_text(slo.window_ms)} | latency


def _alert(alert: Alert) -> dict[str, Any]:
    length = {} if alert.for_ms is None else {"for": duration_text(alert.for_ms)}
    return length | {"quorum": alert.quorum, "severity": alert.severity}
