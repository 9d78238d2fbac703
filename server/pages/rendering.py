"""
Jinja's door: templates with everything escaped, and the files that a page links to.

A linked file has its hash in its path, so that browsers may keep it for ever.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from msgspec import Struct

from server.pages.drawing import STRIP_HEIGHT, STRIP_WIDTH, legend

_HERE = Path(__file__).parent
_DAY_MS = 86_400_000
_TYPES = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "chart.js": "text/javascript",
    "icon.svg": "image/svg+xml",
    "vendor/uPlot.min.css": "text/css",
    "vendor/uPlot.iife.min.js": "text/javascript",
}
STATIC = "/-/static/"


class Linked(Struct, frozen=True):
    """A file that pages link to."""

    content_type: str
    body: bytes


class Rendering:
    """Renders templates. ``linked`` are the files by path."""

    def __init__(self, linked: Mapping[str, Linked]) -> None:
        self.linked = linked
        self._env = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._env.filters |= {"ms": latency_text, "ratio": ratio_text, "iso": iso_text}
        self._env.globals |= {
            "link": {path.removeprefix(STATIC).partition("/")[2]: path for path in linked},
            "legend": legend(),
            "strip_box": f"0 0 {STRIP_WIDTH} {STRIP_HEIGHT}",
        }

    def render(self, template: str, **values: object) -> Markup:
        """The template with these values, safe to stand in another one."""
        return Markup(self._env.get_template(template).render(values))  # noqa: S704 Jinja has escaped it


def read_linked() -> dict[str, Linked]:
    """The files that pages link to, by path."""
    found = {}
    for name, content_type in _TYPES.items():
        body = (_HERE / "static" / name).read_bytes()
        found[f"{STATIC}{hashlib.sha256(body).hexdigest()[:16]}/{name}"] = Linked(content_type, body)
    return found


def latency_text(latency_ms: float | None) -> str:
    """Milliseconds with three figures."""
    if latency_ms is None:
        return "–"
    if latency_ms >= 1000:
        return f"{latency_ms / 1000:.2f} s"
    return f"{latency_ms:.{0 if latency_ms >= 100 else 1 if latency_ms >= 10 else 2}f} ms"


def ratio_text(ratio: float | None) -> str:
    """A share in percent; only what is whole is shown as 100 %."""
    if ratio is None:
        return "–"
    return "100 %" if ratio == 1 else f"{int(ratio * 10_000) / 100:.2f} %"


def iso_text(ms: float) -> str:
    """The time for machines."""
    return _time(ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def when_text(ms: float, now_ms: int) -> str:
    """The time for people: with its day unless that is today."""
    is_today = int(ms) // _DAY_MS == now_ms // _DAY_MS
    return _time(ms).strftime("%H:%M:%S" if is_today else "%Y-%m-%d %H:%M")


def _time(ms: float) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
