"""What the job file itself would say of a task that was translated: better here than when the file is loaded."""

from typing import Any

from scheduler.imports.writing import task_text
from scheduler.jobfile.files import File
from scheduler.jobfile.mistakes import JobFileError, Mistakes
from scheduler.jobfile.tasks import task
from scheduler.jobfile.tree import Mapping, read_node


def objection(translated: Any) -> str | None:
    """
    Why no job can have this task object, ``None`` when one can.

    What holds references or placeholders is not tried: it means nothing before they are filled in.
    """
    text = task_text(translated)
    if "$" in text:
        return None
    mistakes = Mistakes({})
    node = read_node(File("task", text), None, mistakes)
    assert isinstance(node, Mapping)  # noqa: S101  # it is our own text
    mistakes.attempt(lambda n: task(n, mistakes), node.entries["task"])
    try:
        mistakes.raise_any()
    except JobFileError as e:
        return e.mistakes[0].text
    return None
