"""
Strips and lines as SVG paths: a path for each kind of quarter-hour, so that a day is some hundred characters.

Each kind has a shape of its own, for colour alone is not seen by everybody: ok is a full bar, degraded a half one,
failed a bar with a gap above its foot, unknown three dots, and nothing a line at the foot.
"""

from collections.abc import Sequence
from itertools import groupby

from msgspec import Struct

from server.pages.quarters import PLACES, Day, Ended

STRIP_WIDTH, STRIP_HEIGHT = PLACES * 3, 20
LINE_WIDTH, LINE_HEIGHT = PLACES, 20


_SHAPES = {
    Ended.OK: "M{0} 2h2v16h-2z",
    Ended.DEGRADED: "M{0} 9h2v9h-2z",
    Ended.FAILED: "M{0} 0h2v13h-2zM{0} 16h2v4h-2z",
    Ended.UNKNOWN: "M{0} 2h2v3h-2zM{0} 8.5h2v3h-2zM{0} 15h2v3h-2z",
}
_CLASSES: dict[Ended | None, str] = {
    Ended.OK: "ok",
    Ended.DEGRADED: "degraded",
    Ended.FAILED: "failing",
    Ended.UNKNOWN: "unknown",
    None: "no_data",
}
_PLACED = {kind: [shape.format(place * 3) for place in range(PLACES)] for kind, shape in _SHAPES.items()}


def strip(day: Day) -> list[tuple[str, str]]:
    """(class, path) of each kind that the day has."""
    paths: dict[Ended | None, list[str]] = {}
    place = 0
    for kind, quarters in groupby(day.worst()):
        length = len(list(quarters))
        drawn = [_nothing(place, length)] if kind is None else _PLACED[kind][place : place + length]
        paths.setdefault(kind, []).extend(drawn)
        place += length
    return [(_CLASSES[kind], "".join(parts)) for kind, parts in paths.items()]


def _nothing(place: int, length: int) -> str:
    width = length * 3 - 1
    return f"M{place * 3} 17h{width}v1h-{width}z"


def legend() -> list[tuple[str, str]]:
    """(class, path) of each kind by itself, the best first."""
    return [*((_CLASSES[kind], shape.format(0)) for kind, shape in _SHAPES.items()), (_CLASSES[None], _nothing(0, 1))]


class Line(Struct, frozen=True):
    """A path of latencies; ``most_ms`` is what its upper edge stands for."""

    path: str
    most_ms: float


def line(day: Day, width: int = LINE_WIDTH, height: int = LINE_HEIGHT) -> Line | None:
    """The latencies of the day, from zero up to the largest; ``None`` without any."""
    most_ms = max((value for value in day.latencies if value is not None), default=0.0)
    if most_ms <= 0:
        return None
    points, step = [], width / PLACES
    for place, value in enumerate(day.latencies):
        if value is not None:
            is_first = place == 0 or day.latencies[place - 1] is None
            y = height - 1 - value / most_ms * (height - 2)
            # A point by itself is drawn by its round ends.
            points.append(f"{'M' if is_first else 'L'}{(place + 0.5) * step:.1f} {y:.1f}{'h0' if is_first else ''}")
    return Line("".join(points), most_ms)


def newest_latency(latencies: Sequence[float | None]) -> float | None:
    """The newest latency that is known."""
    return next((value for value in reversed(latencies) if value is not None), None)
