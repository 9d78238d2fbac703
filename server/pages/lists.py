"""The pages that are one table: agents, and ticks that were missed."""

from server.metrics.agents import AgentState
from server.pages.content import Content, Look, Painter, Sources
from server.pages.surveys import job_path

_MONTH_MS = 30 * 86_400_000
_MOST_GAPS = 200


async def agents_page(sources: Sources, look: Look) -> Content:
    """The agents, if they may be listed."""
    painter = Painter(sources, look)
    is_allowed = look.sight.sees_agents()
    states: list[AgentState] = sources.agents.states() if is_allowed else []
    return Content(
        template="agents.html",
        title=look.texts.agents,
        again_s=1.0,
        values={"is_allowed": is_allowed},
        parts={"agents": painter.render("agents_rows.html", agents=states)},
    )


async def gaps_page(sources: Sources, look: Look) -> Content:
    """
    The ticks that no scheduler fired, of the jobs that may be read.

    Raises:
        PermissionDenied: none may.
        StoreFailed: they cannot be read.
    """
    names = sorted(job.declared.name for job in look.sight.jobs(sources.jobs))
    gaps = await sources.store.gaps(names, sources.now_ms() - _MONTH_MS)
    shown = [(gap, job_path(gap.name)) for gap in gaps[:_MOST_GAPS]]
    return Content(template="gaps.html", title=look.texts.gaps, values={"gaps": shown}, parts={})
