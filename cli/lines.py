"""A run that ended as one line for a person: what ``up`` and ``tail`` print."""

from datetime import UTC, datetime

from msgspec import Struct
from rich.markup import escape

from cli.screen import printable


class RunLine(Struct, frozen=True, kw_only=True):
    """
    ``due_ms`` is ms since the epoch. ``job`` is ``None`` for what was made by hand, ``reason`` for a run that is ok,
    ``latency_ms`` where none was measured. ``message`` may be anything.
    """

    due_ms: int
    job: str | None
    agent: str
    type_name: str
    outcome: str
    reason: str | None
    latency_ms: float | None
    is_degraded: bool
    message: str


def run_line(run: RunLine) -> str:
    """The line as rich markup; what came from outside is escaped."""
    name = escape(printable(f"{run.job or '(by hand)':20} {run.agent:10} {run.type_name:13}"))
    due = datetime.fromtimestamp(run.due_ms / 1000, UTC).strftime("%H:%M:%S")
    if run.reason is None:
        latency = "" if run.latency_ms is None else f"{run.latency_ms:.2f} ms"
        slow = "  [yellow]degraded[/yellow]" if run.is_degraded else ""
        return f"{due} {name} [green]ok[/green]      {latency}{slow}"
    colour = "red" if run.outcome == "failed" else "yellow"
    return f"{due} {name} [{colour}]{run.outcome:7}[/{colour}] {run.reason}  {escape(printable(run.message))}"
