"""
Imported jobs as the text of a job file, with what has to be known in comments beside them.

PyYAML's emitter quotes what needs it; comments stand in lines of their own, as it has none.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from scheduler.imports.interface import Imported, ImportedJob, Note

_WIDTH = 100
_ENDLESS = 1_000_000
_INDENT = "  "


class _Representer(yaml.representer.SafeRepresenter):
    """Short lists and mappings on one line, text of several lines as a block, no aliases."""

    def ignore_aliases(self, _value: Any) -> bool:
        return True

    def represent_str(self, value: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        node = super().represent_sequence(tag, sequence, flow_style)
        node.flow_style = _is_short(node.value)
        return node

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        node = super().represent_mapping(tag, mapping, flow_style)
        node.flow_style = _is_short([part for pair in node.value for part in pair])
        return node


_Representer.add_representer(str, _Representer.represent_str)


def _is_short(parts: list[yaml.Node]) -> bool:
    if any(not isinstance(part, yaml.ScalarNode) or part.style == "|" for part in parts):
        return False
    return sum(len(part.value) + 2 for part in parts) < _WIDTH


def _yaml(value: Mapping[str, Any], levels: int) -> str:
    """The mapping, its ``levels`` outermost ones with a line for each key."""
    top = _Representer(sort_keys=False).represent_data(value)
    level = [top]
    for _ in range(levels):
        mappings = [node for node in level if isinstance(node, yaml.MappingNode)]
        for node in mappings:
            node.flow_style = False
        level = [entry for node in mappings for _key, entry in node.value]
    return str(yaml.serialize(top, Dumper=yaml.SafeDumper, allow_unicode=True, width=_ENDLESS))


def task_text(task: Any) -> str:
    """A task object alone, as it would stand in a job file."""
    return _yaml({"task": task}, 1)


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
        return "\n" + _yaml({"agents": {name: {"uuid": uuid} for name, uuid in agents.items()}}, 2)
    return "\n# such as   fra-1: {uuid: e8583352-39e8-5a5b-b66c-e450689088fd, labels: {region: eu}}\nagents: {}\n"


def _job(job: ImportedJob) -> str:
    lines = _yaml({job.name: job.keys}, 2).splitlines(keepends=True)
    indent = _INDENT if job.usable else f"{_INDENT}# "
    return "".join([*_comments(job.notes, _INDENT), *(f"{indent}{line}" if line.strip() else line for line in lines)])


def _comments(notes: Iterable[Note], indent: str) -> Iterable[str]:
    return (f"{indent}# {note}\n" for note in notes)
