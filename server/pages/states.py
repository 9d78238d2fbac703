"""
In what state a job is, from the last runs of its probes: what a page shows first.

The worst of its probes decides; a maintenance window stands above all of them, for nobody need act then.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum

from server.pages.history import Probe
from server.pages.quarters import Ended


class State(StrEnum):
    """In the order in which pages list jobs."""

    FAILING = "failing"
    UNKNOWN = "unknown"
    DEGRADED = "degraded"
    NO_DATA = "no_data"
    MAINTENANCE = "maintenance"
    OK = "ok"
    DISABLED = "disabled"


ORDER = {state: place for place, state in enumerate(State)}
_OF_ENDED = {
    Ended.OK: State.OK,
    Ended.DEGRADED: State.DEGRADED,
    Ended.UNKNOWN: State.UNKNOWN,
    Ended.FAILED: State.FAILING,
}


def probe_state(probe: Probe | None, now_ms: int) -> State:
    """The state of one probe by its last run."""
    if probe is None or probe.last is None or probe.is_silent(now_ms):
        return State.NO_DATA
    return State.MAINTENANCE if probe.last.in_maintenance else _OF_ENDED[probe.last.ended]


def job_state(probes: Iterable[State], *, is_enabled: bool) -> State:
    """The state of a job whose probes are in these states."""
    if not is_enabled:
        return State.DISABLED
    found = set(probes)
    heard = found - {State.NO_DATA}
    if State.MAINTENANCE in heard:
        return State.MAINTENANCE
    return min(heard, key=ORDER.__getitem__, default=State.NO_DATA)


def newest(probes: Sequence[Probe]) -> Probe | None:
    """The probe whose last run was due last, the worst of several."""
    heard = [probe for probe in probes if probe.last is not None]
    return max(
        heard, key=lambda probe: (probe.last.scheduled_ms, probe.last.ended) if probe.last else (0, 0), default=None
    )
