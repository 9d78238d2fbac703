"""How far long work is: a bar on stderr, on a terminal only, and gone in the end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn


def is_shown() -> bool:
    """Whether there is a terminal to show it on."""
    return Console(stderr=True).is_terminal


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Gives what to call with how much more is done; ``total`` ``None`` shows that work is done, not how much."""
    if not is_shown():
        yield lambda _done: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    measured = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, *(() if total is None else measured), console=Console(stderr=True), transient=True)
    with bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)
