"""
The page of all jobs: the worst first, a hundred at once, searched and filtered by the query string.

Between slices of jobs the event loop goes on: ticks and results do not wait for a page.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from urllib.parse import urlencode

import msgspec
from markupsafe import Markup
from msgspec import Struct

from server.jobs import Job
from server.pages.content import Content, Look, Painter, Sources
from server.pages.history import Probe
from server.pages.states import ORDER, State
from server.pages.surveys import Survey, job_path, names, survey, trace

_AT_ONCE = 100
_SLICE = 5
_SHOWN_AGENTS = 4


class Chip(Struct, frozen=True):
    """A filter: how many jobs are in a state, and the way to them; ``state`` ``None`` is every state."""

    state: State | None
    count: int
    path: str
    is_chosen: bool


async def overview(sources: Sources, look: Look) -> Content:
    """
    The page of all jobs.

    Raises:
        PermissionDenied: the token may read none.
    """
    painter = Painter(sources, look)
    wanted = look.query.get("q", "").strip().casefold()
    jobs = [job for job in look.sight.jobs(sources.jobs) if not wanted or _matches(job, wanted, look)]
    surveys = []
    for place, job in enumerate(jobs):
        surveys.append(survey(sources, look, job, painter.now_ms))
        if place % (_SLICE * 40) == 0:
            await asyncio.sleep(0)
    chosen = look.query.get("state")
    found = [one for one in surveys if chosen not in ORDER or one.state == chosen]
    found.sort(key=lambda one: (ORDER[one.state], one.job.declared.name))
    pages = max(1, -(-len(found) // _AT_ONCE))
    page = min(_number(look.query.get("page", "1")), pages)
    shown = found[(page - 1) * _AT_ONCE : page * _AT_ONCE]
    rows: dict[str, Markup] = {}
    for place, one in enumerate(shown):
        rows[one.element] = _row(one, look, painter)
        if place % _SLICE == 0:
            await asyncio.sleep(0)
    summary = painter.render("summary.html", chips=_chips(surveys, look))
    return Content(
        template="overview.html",
        title=look.texts.jobs,
        values={
            "q": look.query.get("q", ""),
            "chosen": chosen if chosen in ORDER else "",
            "is_any_declared": bool(jobs) or bool(wanted),
            "page": page,
            "pages": pages,
            "turn": {to: _path(look, page=str(to)) for to in (page - 1, page + 1)},
        },
        parts={"summary": summary, **rows},
        listed=tuple(rows),
    )


def _matches(job: Job, wanted: str, look: Look) -> bool:
    declared = job.declared
    known = [declared.name]
    if not look.sight.is_public:
        known += [*declared.labels.values(), *(cell.target for cell in declared.cells)]
    return any(wanted in text.casefold() for text in known)


def _number(text: str) -> int:
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 7 else 1


def _chips(surveys: Sequence[Survey], look: Look) -> list[Chip]:
    counts = Counter(one.state for one in surveys)
    chosen = look.query.get("state")
    chips = [Chip(None, len(surveys), _path(look, state="", page=""), chosen not in ORDER)]
    chips += [
        Chip(state, counts[state], _path(look, state=state, page=""), chosen == state)
        for state in State
        if counts[state] or chosen == state
    ]
    return chips


def _path(look: Look, **changes: str) -> str:
    query = {name: look.query[name] for name in ("q", "state", "page") if name in look.query} | changes
    given = urlencode({name: value for name, value in query.items() if value})
    return f"/?{given}" if given else "/"


class _Agent(Struct, frozen=True):
    name: str
    line: str | None
    line_text: str
    latest_ms: float | None


def _row(one: Survey, look: Look, painter: Painter) -> Markup:
    called = names(one.job, look)
    by_agent: dict[str, list[Probe | None]] = {}
    for key, probe in zip(one.keys, one.probes, strict=True):
        by_agent.setdefault(key.agent_uuid, []).append(probe)
    agents = []
    for uuid, probes in list(by_agent.items())[:_SHOWN_AGENTS]:
        day = trace(probes, look.texts, painter.now_ms)
        agents.append(_Agent(called[uuid], day.line, day.line_text, day.latest_ms))
    return painter.render(
        "overview_row.html",
        one=one,
        name=one.job.declared.name,
        path=job_path(one.job.declared.name),
        description=None if look.sight.is_public else description(one.job),
        day=trace(one.probes, look.texts, painter.now_ms),
        agents=agents,
        more=len(by_agent) - len(agents),
    )


class _Described(Struct):
    description: str | None = None


def description(job: Job) -> str | None:
    """What the job file says that the job is for."""
    try:
        return msgspec.json.decode(job.declared.definition, type=_Described).description
    except msgspec.ValidationError:
        return None
