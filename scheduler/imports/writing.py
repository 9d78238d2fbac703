"""
Imported jobs as the text of a job file, with what has to be known in comments beside them.

Comments stand in lines of their own, as PyYAML's emitter has none.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from scheduler.imports.interface import Imported, ImportedJob, Note
from scheduler.yaml_text import yaml_text

_INDENT = "  "


def task_text(task: Any) -> str:
    """A task object alone, as it would stand in a job file."""
    return yaml_text({"task": task}, 1)


def job_file(imported: Imported) -> str:
    """The text of a job file; what is not usable is in comments."""
    parts = [
        f"# Imported by cronprobe from {imported.origin}.\n",
        *_head(imported),
        "version: 1\n",
        _agents(imported.agents),
    ]
    usable = any(job.usable for job in imported.jobs)
    parts.append("\njobs:\n" if usable else "\njobs: {}\n")
    parts.append("\n".join(_job(job) for job in imported.jobs))
    return "".join(parts)


def _head(imported: Imported) -> Iterable[str]:
    if imported.agents:
        yield "# Fill in `agents:` before use: give them better names, and check that each UUID is one of yours.\n"
    else:
        yield "# Fill in `agents:` before use, a name and a UUID for each, and let `cronprobe check` look at it.\n"
    if any(not job.usable for job in imported.jobs):
        yield "# Jobs that would not mean the same here are commented out.\n"
    if imported.notes:
        yield "#\n# Not translated:\n"
        yield from _comments(imported.notes, "")
    yield "\n"


def _agents(agents: Mapping[str, str]) -> str:
    if agents:
        return "\n" + yaml_text({"agents": {name: {"uuid": uuid} for name, uuid in agents.items()}}, 2)
    return "\n# such as   fra-1: {uuid: e8583352-39e8-5a5b-b66c-e450689088fd, labels: {region: eu}}\nagents: {}\n"


def _job(job: ImportedJob) -> str:
    lines = yaml_text({job.name: job.keys}, 2).splitlines(keepends=True)
    indent = _INDENT if job.usable else f"{_INDENT}# "
    return "".join([*_comments(job.notes, _INDENT), *(f"{indent}{line}" if line.strip() else line for line in lines)])


def _comments(notes: Iterable[Note], indent: str) -> Iterable[str]:
    return (f"{indent}# {note}\n" for note in notes)
