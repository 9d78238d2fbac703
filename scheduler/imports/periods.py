"""
Durations of other tools, ``1h30m`` or ``1.5s`` or ``2d``, and the one form that job files have for them.

What a job file cannot say is brought to the nearest that it can, and that is noted.
"""

import re

from scheduler.imports.interface import Note
from scheduler.jobfile.tree import Node, Scalar

_PART = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)(ns|us|µs|ms|s|m|h|d|w|y)")
_UNIT_MS = {
    "ns": 1e-6,
    "us": 1e-3,
    "µs": 1e-3,
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
    "y": 31_536_000_000,
}
_UNITS = (("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))
_PERIODS_MS = (1_000, 8_760 * 3_600_000)
_TIMEOUTS_MS = (100, 300_000)
USUAL_TIMEOUT_MS = 10_000
"""What a job has without the key ``timeout``."""


def parse_ms(text: str) -> int | None:
    """The duration in ms, rounded; ``None`` when ``text`` is none."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        return None
    return round(sum(float(number) * _UNIT_MS[unit] for number, unit in parts))


def read_ms(node: Node) -> int:
    """
    The duration at ``node``, in ms.

    Raises:
        Mistaken: it is none.
    """
    found = parse_ms(node.text) if isinstance(node, Scalar) else None
    if found is None:
        raise node.wrong("is no duration; want a form like 15s, 1m30s or 2h")
    return found


def duration(ms: int) -> str:
    """The form of job files: one whole number and one unit."""
    unit, size = next((unit, size) for unit, size in _UNITS if ms % size == 0)
    return f"{ms // size}{unit}"


def schedule(period_ms: int, where: str, notes: list[Note]) -> str:
    """The schedule of a job that runs every ``period_ms``."""
    return f"@every {duration(_within(period_ms, _PERIODS_MS, where, notes))}"


def timeout(timeout_ms: int, where: str, notes: list[Note]) -> dict[str, str]:
    """The key ``timeout`` of a job, or nothing when it would say what holds anyway."""
    found = _within(timeout_ms, _TIMEOUTS_MS, where, notes)
    return {} if found == USUAL_TIMEOUT_MS else {"timeout": duration(found)}


def _within(ms: int, bounds: tuple[int, int], where: str, notes: list[Note]) -> int:
    least, most = bounds
    found = min(max(ms, least), most)
    if found != ms:
        notes.append(Note(where, f"{duration(ms)} is out of bounds here; {duration(found)} takes its place"))
    return found
