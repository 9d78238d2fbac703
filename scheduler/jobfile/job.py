"""
One job: its own keys over those of its profiles over the defaults, each read once wherever it stands, then its cells.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from scheduler import due
from scheduler.jobfile import matrix, tree, values
from scheduler.jobfile.agents import Agents
from scheduler.jobfile.expectations import check_certificate, expect
from scheduler.jobfile.keys import ABSENT, KEYS
from scheduler.jobfile.matrix import fill, has_keys
from scheduler.jobfile.mistakes import Mistakes, advice
from scheduler.jobfile.options import options
from scheduler.jobfile.tasks import task, type_of
from scheduler.jobfile.tree import Node
from scheduler.jobs import Cell, Job, JobAgent

REQUIRED = ("schedule", "agents", "task")
NOT_SHARED = {
    "defaults": {"task": "a task is not taken from the defaults; put it into the job, or into a profile"},
    "profiles": {"use": "a profile takes no other profile; let the job use both"},
}
"""What a fragment may not have, and why."""
_OF_A_CELL = ("task", "expect", "options", "target")


class Jobs:
    """Builds jobs. A mistake in what many of them share is noted once, used or not."""

    def __init__(
        self,
        *,
        defaults: Node | None,
        profiles: Mapping[str, Node],
        agents: Agents,
        mistakes: Mistakes,
        complete: bool,
    ) -> None:
        self._has_secrets = mistakes.has_secrets
        self._agents = agents
        self._mistakes = mistakes
        self._complete = complete
        self._read: dict[int, Any] = {}
        self._shared: list[Node] = []
        self._declared = profiles
        self._profiles = {name: self._fragment("profiles", node) for name, node in profiles.items()}
        self._defaults = {} if defaults is None else self._fragment("defaults", defaults)

    def _fragment(self, where: str, node: Node) -> dict[str, Node]:
        """The keys of the defaults or of a profile, read ahead so that mistakes show whoever uses them."""
        found = self._mistakes.attempt(values.mapping, node)
        if found is None:
            return {}
        found.only(KEYS, self._mistakes)
        entries = {key: entry for key, entry in found.entries.items() if key in KEYS}
        for key, why in NOT_SHARED[where].items():
            if key in entries:
                self._mistakes.add(entries.pop(key).mistake(why))
        for key, entry in entries.items():
            self._value(key, entry, is_shared=True)
        if "task" in entries and not has_keys(entries["task"]):
            self._mistakes.attempt(lambda n: task(n, self._mistakes), entries["task"])
        if "expect" in entries and not has_keys(entries["expect"]):
            self._mistakes.attempt(lambda n: expect(n, None, self._mistakes), entries["expect"])
        return entries

    def _value(self, key: str, node: Node, *, is_shared: bool = False) -> Any:
        """What a key says that needs no job to be read; ``None`` for one with a mistake."""
        read = KEYS[key].read
        if read is None:
            return None
        if id(node) in self._read:
            return self._read[id(node)]
        value = self._mistakes.attempt(lambda n: read(n, self._mistakes), node)
        if is_shared:
            self._read[id(node)] = value
        return value

    def job(self, name: str, node: Node) -> Job | None:
        """The job, or ``None`` when mistakes were noted."""
        entries = self._mistakes.attempt(values.mapping, node)
        if entries is None:
            return None
        entries.only(KEYS, self._mistakes)
        own = {key: entry for key, entry in entries.entries.items() if key in KEYS}
        given = {**self._defaults, **self._used(own), **own}
        for key in REQUIRED:
            if key not in given:
                self._mistakes.add(node.mistake(f"'{key}' is missing; add it"))
        found = {key: self._value(key, entry) for key, entry in given.items() if KEYS[key].read is not None}
        agents = (
            self._mistakes.attempt(partial(self._agents.of_job, name), given["agents"]) if "agents" in given else None
        )
        cells = self._cells(given, found.get("matrix", {}), node)
        if cells is None or agents is None or None in found.values() or any(key not in given for key in REQUIRED):
            return None
        value = {key: row.absent for key, row in KEYS.items() if row.absent is not ABSENT} | found
        shown = _shown(given) if self._has_secrets else {}
        return self._check(_job(name, value, agents, cells, shown), given)

    def _used(self, own: Mapping[str, Node]) -> dict[str, Node]:
        """The keys of the profiles that the job, or else the defaults, take."""
        node = own.get("use", self._defaults.get("use"))
        merged: dict[str, Node] = {}
        for element in [] if node is None else self._mistakes.attempt(values.one_or_more, node) or []:
            name = self._mistakes.attempt(values.string, element)
            if name in self._profiles:
                merged |= self._profiles[name]
            elif name is not None and self._complete:
                text = f"unknown profile '{name}'; {advice(name, self._declared)}"
                self._mistakes.add(element.mistake(text))
        return merged

    def _cells(
        self, given: Mapping[str, Node], keys: Mapping[str, list[tree.Scalar]] | None, node: Node
    ) -> tuple[Cell, ...] | None:
        """The cells, or ``None`` when one has a mistake; after the first cell with a mistake no more are read."""
        if "task" not in given or keys is None:
            return None
        nodes = {key: given[key] for key in _OF_A_CELL if key in given}
        cells: list[Cell] = []
        for cell in matrix.cells(keys):
            read = self._mistakes.attempt(partial(self._cell, nodes), cell)
            if read is None:
                return None
            cells.append(read)
        self._check_targets(cells, node)
        return tuple(cells)

    def _cell(self, nodes: Mapping[str, Node], cell: matrix.Cell) -> Cell | None:
        filled = {key: fill(node, cell) for key, node in nodes.items()}
        found = self._mistakes.attempt(lambda n: task(n, self._mistakes), filled["task"])
        type_name = type_of(filled["task"])[0]
        before = self._mistakes.count
        expectations = expect(filled["expect"], type_name, self._mistakes) if "expect" in filled else None
        measuring = options(filled["options"], type_name, self._mistakes) if "options" in filled else None
        target = values.shown_string(filled["target"]) if "target" in filled else None
        if found is not None and expectations is not None:
            check_certificate(filled["expect"], found, measuring, self._mistakes)
        if found is None or self._mistakes.count > before:
            return None
        return Cell(
            name=matrix.name_of(cell),
            type_name=found.type_name,
            task_text=found.text,
            target=found.target if target is None else target,
            expect=expectations,
            options=measuring,
            secrets=self._secrets([filled[key] for key in ("task", "expect", "options") if key in filled]),
        )

    def _secrets(self, nodes: Iterable[Node]) -> dict[str, str]:
        """The values by reference of what is in the nodes; most files have none at all."""
        return values.secrets(nodes) if self._has_secrets else {}

    def _check_targets(self, cells: list[Cell], node: Node) -> None:
        seen: dict[str, str] = {}
        for cell in cells:
            if cell.target in seen:
                text = f"the cells {seen[cell.target]} and {cell.name} have the target '{cell.target}'; "
                self._mistakes.add(node.mistake(text + "tell them apart with a 'target' that has a key of the matrix"))
                return
            seen[cell.target] = cell.name

    def _check(self, job: Job, given: Mapping[str, Node]) -> Job:
        """Looks at keys that bound each other."""
        period_ms = due.period_ms(job.schedule, job.timezone) if job.splay_ms else 1
        if job.splay_ms >= period_ms and values.string(given["splay"]) != "auto":
            text = f"the splay is not below the period of {period_ms / 1000:g}s; want a shorter one, or auto"
            self._mistakes.add(given["splay"].mistake(text))
        if job.active and not due.is_ever_due(due.Schedule(job.schedule, job.timezone, 0, job.active)):
            text = f"'{job.schedule}' is never due inside these windows; correct one of them"
            self._mistakes.add(given["active"].mistake(text))
        return job


def _job(
    name: str,
    value: Mapping[str, Any],
    agents: tuple[JobAgent, ...],
    cells: tuple[Cell, ...],
    shown: Mapping[str, Any],
) -> Job:
    splay_ms = value["splay"]
    if splay_ms == "auto":
        splay_ms = min(due.period_ms(value["schedule"], value["timezone"]), due.AUTO_SPLAY_MS)
    return Job(
        name=name,
        schedule=value["schedule"],
        timezone=value["timezone"],
        agents=agents,
        cells=cells,
        timeout_ms=value["timeout"],
        enabled=value["enabled"],
        splay_ms=splay_ms,
        misfire=value["misfire"],
        overlap=value["overlap"],
        active=value["active"],
        maintenance=value["maintenance"],
        labels=value["labels"],
        slo=value["slo"],
        alert=value["alert"],
        retention_ms=value["retention"],
        description=value["description"],
        runbook_url=value["runbook_url"],
        shown=shown,
    )


def _shown(given: Mapping[str, Node]) -> dict[str, Any]:
    """The keys that hold references, as they are written."""
    simple = {key: node for key, node in given.items() if key not in _OF_A_CELL}
    return {key: values.plain(node, values.shown_string) for key, node in simple.items() if values.secrets([node])}
