"""The page of one job: what it is, how each of its probes stands, and its newest rows."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from protocol.conditions import BeforeId, Condition, FromCron, Limit, OfAgent
from protocol.outcomes import Outcome, Reason
from server.jobs import Job
from server.pages.content import Content, Look, Painter, Sources
from server.pages.overview import description
from server.pages.states import State
from server.pages.surveys import Survey, Trace, job_path, names, survey, targets, trace
from server.rows import message_of, read_task_name
from server.series import target_of
from server.store.interface import DEGRADED, StoredTask

MOST_ROWS = 50
_MOST_PROBES = 200
_SHOWN_MESSAGE = 500
_WEB = ("http://", "https://")


class _Definition(Struct):
    runbook_url: str | None = None


class _ProbeLine(Struct, frozen=True):
    agent: str
    target: str
    type: str
    state: State
    reason: Reason | None
    last_ms: int | None
    day: Trace


class _RowLine(Struct, frozen=True):
    id: int
    due_ms: int
    agent: str
    type: str
    target: str
    outcome: Outcome
    is_degraded: bool
    reason: Reason | None
    latency_ms: float | None
    message: str


def find_job(sources: Sources, look: Look, name: str) -> Job | None:
    """
    The job with this name, ``None`` when it is not shown.

    Raises:
        PermissionDenied: no job may be read at all.
    """
    return next((job for job in look.sight.jobs(sources.jobs) if job.declared.name == name), None)


async def job_page(sources: Sources, look: Look, job: Job) -> Content:
    """
    The page of the job.

    Raises:
        StoreFailed: its rows cannot be read.
    """
    painter = Painter(sources, look)
    one = survey(sources, look, job, painter.now_ms)
    rows = await _rows(sources, look, job, one)
    declared = job.declared
    parts = {
        "standing": painter.render("job_standing.html", one=one, name=declared.name),
        "probes": painter.render("job_probes.html", probes=_probe_lines(one, look, painter.now_ms)),
        "runs": painter.render("job_runs.html", rows=rows, is_public=look.sight.is_public),
    }
    return Content(
        template="job.html",
        title=declared.name,
        values={
            "one": one,
            "name": declared.name,
            "declared": None if look.sight.is_public else declared,
            "description": None if look.sight.is_public else description(job),
            "runbook": None if look.sight.is_public else _runbook(job),
            "is_measured": any(probe is not None for probe in one.probes),
            "day": trace(one.probes, look.texts, painter.now_ms),
            "older": f"{job_path(declared.name)}?before={rows[-1].id}" if len(rows) == MOST_ROWS else None,
            "is_newest": "before" not in look.query,
            "job_path": job_path(declared.name),
        },
        parts=parts,
        job=declared.name,
    )


def _probe_lines(one: Survey, look: Look, now_ms: int) -> list[_ProbeLine]:
    called, aims = names(one.job, look), targets(one.job, look)
    lines = []
    for key, probe, state in list(zip(one.keys, one.probes, one.states, strict=True))[:_MOST_PROBES]:
        last = None if probe is None else probe.last
        lines.append(
            _ProbeLine(
                called[key.agent_uuid],
                aims[key.target],
                key.type,
                state,
                None if last is None else last.reason,
                None if last is None else last.scheduled_ms,
                trace([probe], look.texts, now_ms),
            )
        )
    return lines


async def _rows(sources: Sources, look: Look, job: Job, one: Survey) -> list[_RowLine]:
    """The newest rows of the probes that are seen."""
    seen = {(key.agent_uuid, key.type) for key in one.keys}
    before = look.query.get("before", "")
    conditions: list[Condition] = [FromCron(job.declared.name), Limit(MOST_ROWS)]
    if before.isascii() and before.isdigit() and len(before) < 19:
        conditions.append(BeforeId(int(before)))
    everywhere = len(one.keys) == len(job.cron.agents) * len(job.declared.cells)
    agents: Sequence[Sequence[Condition]] = [[]] if everywhere else [[OfAgent(uuid)] for uuid in {u for u, _ in seen}]
    found = [row for agent in agents for row in await sources.store.select([*conditions, *agent])]
    shown = [row for row in found if row.success is not None and (row.agent_uuid, read_task_name(row.spec)) in seen]
    shown.sort(key=lambda row: (row.finished_ms or 0, row.id), reverse=True)
    called, aims = names(job, look), targets(job, look)
    return [_row_line(row, called, aims, look) for row in shown[:MOST_ROWS]]


def _row_line(row: StoredTask, called: Mapping[str, str], aims: Mapping[str, str], look: Look) -> _RowLine:
    reason = None if row.reason is None else Reason(row.reason)
    _, target = target_of(row.spec, row.target)
    is_public = look.sight.is_public
    return _RowLine(
        id=row.id,
        due_ms=row.scheduled_ms or row.finished_ms or 0,
        agent=called.get(row.agent_uuid, ""),
        type=read_task_name(row.spec),
        target=aims.get(target, "" if is_public else target),
        outcome=Outcome.OK if reason is None else reason.outcome,
        is_degraded=bool(row.flags & DEGRADED) and reason is None,
        reason=reason,
        latency_ms=row.latency_ms,
        message="" if is_public else (message_of(row) or "")[:_SHOWN_MESSAGE],
    )


def _runbook(job: Job) -> str | None:
    """The link to the runbook; only to the web, for it is followed with a click."""
    try:
        url = msgspec.json.decode(job.declared.definition, type=_Definition).runbook_url
    except msgspec.ValidationError:
        return None
    return url if url is not None and url.startswith(_WEB) else None
