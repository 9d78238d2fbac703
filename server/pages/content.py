"""
What a page is made of before it is HTML, and what every page is made from.

A part is an element that may change while somebody looks at it: it is rendered by itself, put into the page, and sent
again through the page's WebSocket when its HTML is another.
"""

from collections.abc import Callable, Mapping, Sequence
from zlib import crc32

from markupsafe import Markup
from msgspec import Struct

from server.agents import Agents
from server.jobs import Jobs
from server.pages.history import History
from server.pages.rendering import Rendering, when_text
from server.pages.sight import Sight
from server.pages.texts.interface import Texts
from server.store.interface import Store


class Sources(Struct, frozen=True, kw_only=True):
    """Where pages look things up."""

    jobs: Jobs
    agents: Agents
    history: History
    store: Store
    rendering: Rendering
    now_ms: Callable[[], int]


class Look(Struct, frozen=True):
    """Who looks: what is seen, in which language, and the page's query string as it was given."""

    sight: Sight
    texts: Texts
    query: Mapping[str, str]


class Content(Struct, frozen=True, kw_only=True):
    """
    A page: ``parts`` by the id of their element; those in ``listed`` are the children of the element ``list``.

    ``job`` is the only job that it is about, ``None`` for all. ``again_s`` is how often it is made again though no run
    has ended.
    """

    template: str
    title: str
    values: Mapping[str, object]
    parts: Mapping[str, Markup]
    listed: Sequence[str] = ()
    job: str | None = None
    again_s: float = 5.0

    @property
    def seen(self) -> int:
        """A number that is another when a part is."""
        return crc32("".join(self.parts.values()).encode())


class Painter:
    """Renders templates for one look, all at one moment."""

    def __init__(self, sources: Sources, look: Look) -> None:
        self.now_ms = sources.now_ms()
        self._rendering = sources.rendering
        self._look = look

    def render(self, template: str, **values: object) -> Markup:
        """The template with what every template may use."""
        return self._rendering.render(template, t=self._look.texts, when=self._when, **values)

    def _when(self, ms: float) -> str:
        return when_text(ms, self.now_ms)
