"""
The keys of a job, one row each: how it reads, what its JSON Schema is, what it means, what stands for it when absent.

To add a key: its row here, its field in ``jobs.py``, the room that uses it, ``docs/job-file.md``. Keys without a reader
depend on the job or on its cell, and are read in ``build``.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from msgspec import Struct

from protocol.schemas import Schema
from protocol.secrets import without_quotes
from scheduler import cron
from scheduler.jobfile import shapes, values
from scheduler.jobfile.calendar import any_window, weekly
from scheduler.jobfile.matrix import matrix
from scheduler.jobfile.mistakes import Mistakes
from scheduler.jobfile.tree import Node
from scheduler.jobs import Alert, Slo

Reader = Callable[[Node, Mistakes], Any]
ABSENT: Any = object()
"""The key has no value of its own when it is absent."""


class Key(Struct, frozen=True):
    """``read`` is ``None`` for what is read with the job in hand."""

    meaning: str
    schema: Schema
    read: Reader | None = None
    absent: Any = ABSENT


def _simple(read: Callable[[Node], Any]) -> Reader:
    return lambda node, _mistakes: read(node)


def _duration(least: str, most: str) -> Reader:
    return _simple(partial(values.duration, least=least, most=most))


def _schedule(node: Node) -> str:
    text = values.string(node)
    try:
        cron.read_schedule(text)
    except cron.ScheduleError as e:
        raise node.wrong(without_quotes(str(e), values.secrets([node]))) from e
    return " ".join(text.split())


def _splay(node: Node) -> int | str:
    if values.is_string(node) and values.string(node) == "auto":
        return "auto"
    return values.duration(node, "0s", "1d")


def _slo(node: Node, mistakes: Mistakes) -> Slo | None:
    entries = values.mapping(node)
    entries.only(("objective", "window", "latency"), mistakes)
    given = entries.entries
    for key in ("objective", "window"):
        if key not in given:
            raise node.wrong(f"'{key}' is missing; want {{objective: 99.9, window: 30d}}")
    objective = mistakes.attempt(partial(values.number, least=1, most=99.999), given["objective"])
    window = mistakes.attempt(partial(values.duration, least="1h", most="366d"), given["window"])
    latency = None
    if "latency" in given:
        latency = mistakes.attempt(partial(values.duration, least="1ms", most="5m"), given["latency"])
    return None if objective is None or window is None else Slo(objective, window, latency)


def _alert(node: Node, mistakes: Mistakes) -> Alert:
    entries = values.mapping(node)
    entries.only(("for", "quorum", "severity"), mistakes)
    readers: Mapping[str, tuple[str, Callable[[Node], Any]]] = {
        "for": ("for_ms", partial(values.duration, least="0s", most="30d")),
        "quorum": ("quorum", lambda n: int(values.number(n, 1, 100_000, whole=True))),
        "severity": ("severity", values.shown_string),
    }
    given = {name: entry for name, entry in entries.entries.items() if name in readers}
    read = {readers[name][0]: mistakes.attempt(readers[name][1], entry) for name, entry in given.items()}
    return Alert(**{name: value for name, value in read.items() if value is not None})


def _url(node: Node) -> str:
    text = values.shown_string(node)
    if not text.startswith(("http://", "https://")):
        raise node.wrong(f"found {values.shown(node)}; want a URL with http:// or https://")
    return text


def _enumerated(*words: str) -> Reader:
    return _simple(lambda node: values.one_of(node, *words))


KEYS: Mapping[str, Key] = {
    "schedule": Key(
        "When it is due: five cron fields, six with seconds first, a macro such as @hourly, or '@every 30s'.",
        shapes.text(),
        _simple(_schedule),
    ),
    "timezone": Key(
        "The IANA zone in which schedule and windows are read.", shapes.text(), _simple(values.zone), "UTC"
    ),
    "agents": Key(
        "Which agents run it: all, a list of names and UUIDs, or a selection by labels that is always the same.",
        shapes.AGENTS,
    ),
    "task": Key("What they do: one task object of the protocol.", shapes.TASK),
    "matrix": Key(
        "One task for each combination of these values, which stand as ${key} in task, expect, options and target.",
        shapes.MATRIX,
        _simple(matrix),
        {},
    ),
    "timeout": Key(
        "From dispatch to the stored result, 100ms to 5m; then the run is unknown / no_result.",
        shapes.DURATION,
        _duration("100ms", "5m"),
        10_000,
    ),
    "expect": Key("What turns a result into a failure; judged by the server, for any agent.", shapes.EXPECT),
    "splay": Key(
        "Spreads ticks by a stable hash of job, agent and cell: a duration below the period, or auto.",
        {"anyOf": [shapes.DURATION, {"const": "auto"}]},
        _simple(_splay),
        0,
    ),
    "misfire": Key(
        "What becomes of ticks that passed while no scheduler ran: skip them, or fire once. They are recorded anyway.",
        {"enum": ["skip", "once"]},
        _enumerated("skip", "once"),
        "skip",
    ),
    "overlap": Key(
        "Whether a tick starts a task on an agent whose last one for the same job and cell still runs.",
        {"enum": ["allow", "skip"]},
        _enumerated("allow", "skip"),
        "allow",
    ),
    "active": Key("Weekly windows outside of which nothing is due.", shapes.WEEKLY, weekly, ()),
    "maintenance": Key(
        "Windows in which runs are stored and marked, and no alert rings.", shapes.WINDOWS, any_window, ()
    ),
    "enabled": Key("Whether it runs at all.", {"type": "boolean"}, _simple(values.boolean), True),
    "labels": Key("Labels of cronprobe_job_info, to join with.", shapes.LABELS, values.labels, {}),
    "target": Key("The label target, where the one taken from the task would not do.", shapes.text()),
    "options": Key("Measuring options that the task object has no field for, by task type.", {"type": "object"}),
    "slo": Key("The objective in percent over a window, and a latency to hold.", shapes.SLO, _slo, None),
    "alert": Key("When it rings.", shapes.ALERT, _alert, Alert()),
    "retention": Key("How long its rows are kept.", shapes.DURATION, _duration("1h", "3650d"), None),
    "use": Key("Profiles that are merged in order, before the job's own keys.", shapes.USE),
    "description": Key("What it is for.", shapes.text(), _simple(values.shown_string), None),
    "runbook_url": Key("What to read when it rings.", shapes.text(), _simple(_url), None),
}
