"""What a job file declares, once it has been found free of mistakes: parsed at the door, trusted after."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from scheduler.windows import Weekly, Window


class Agent(Struct, frozen=True):
    """An entry under ``agents:``; while it is not ``enabled``, no job runs on it."""

    uuid: str
    labels: dict[str, str] = {}
    enabled: bool = True


class JobAgent(NamedTuple):
    """An agent that runs a job; ``name`` is ``None`` for a bare UUID that the file gives no name."""

    name: str | None
    uuid: str


class Cell(Struct, frozen=True, kw_only=True):
    """
    One combination of a job's matrix; ``name`` is ``""`` for a job without one.

    ``task_text``, ``expect`` and ``options`` are JSON as people may see it: in the place of a secret stands its
    reference. ``secrets`` has what the references stand for. ``expect`` and ``options`` are ``None`` for none.
    ``target`` is the label.
    """

    name: str
    type_name: str
    task_text: bytes
    target: str
    expect: bytes | None = None
    options: bytes | None = None
    secrets: Mapping[str, str] = {}


class Slo(Struct, frozen=True):
    """``objective`` percent of runs are ok, and faster than ``latency_ms`` unless ``None``, over ``window_ms``."""

    objective: float
    window_ms: int
    latency_ms: int | None = None


class Alert(Struct, frozen=True):
    """When a job rings: ``quorum`` agents fail for ``for_ms``; ``None`` is two periods."""

    for_ms: int | None = None
    quorum: int = 1
    severity: str = "page"


class Job(Struct, frozen=True, kw_only=True):
    """
    An entry under ``jobs:`` with its defaults and profiles.

    ``schedule`` is read in ``timezone``, an IANA name. ``agents`` holds the enabled ones only and may be empty.
    ``splay_ms`` is what ticks are spread over; outside ``active`` nothing is due, unless it is empty.
    ``retention_ms`` ``None`` is the server's. ``shown`` has the keys whose values hold references, as people may see
    them; what belongs to a cell is not among them.
    """

    name: str
    schedule: str
    timezone: str
    agents: tuple[JobAgent, ...]
    cells: tuple[Cell, ...]
    timeout_ms: int
    enabled: bool = True
    splay_ms: int = 0
    misfire: Literal["skip", "once"] = "skip"
    overlap: Literal["allow", "skip"] = "allow"
    active: tuple[Weekly, ...] = ()
    maintenance: tuple[Window, ...] = ()
    labels: Mapping[str, str] = {}
    slo: Slo | None = None
    alert: Alert = Alert()
    retention_ms: int | None = None
    description: str | None = None
    runbook_url: str | None = None
    shown: Mapping[str, Any] = {}


class JobFile(Struct, frozen=True):
    """All job files together: jobs in the order they are written, agents by name."""

    jobs: tuple[Job, ...]
    agents: dict[str, Agent]
