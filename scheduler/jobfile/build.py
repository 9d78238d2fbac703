"""The trees of all files as one ``JobFile``: what stands once, what is merged by name, and what each job becomes."""

from collections.abc import Mapping, Sequence

from scheduler.jobfile import tree, values
from scheduler.jobfile.agents import Agents, read_agents
from scheduler.jobfile.job import Jobs
from scheduler.jobfile.mistakes import Mistake, Mistakes
from scheduler.jobfile.tree import Node
from scheduler.jobs import JobFile

TOP_KEYS = ("version", "defaults", "agents", "profiles", "jobs")


def build(documents: Sequence[tree.Mapping], mistakes: Mistakes, *, complete: bool) -> JobFile:
    """
    The jobs and agents of all ``documents``, as far as ``mistakes`` are not noted.

    Without ``complete`` a file could not be read: nothing is called missing or unknown that it may have declared.
    """
    for document in documents:
        document.only(TOP_KEYS, mistakes)
    found = {key: [document.entries[key] for document in documents if key in document.entries] for key in TOP_KEYS}
    if complete:
        _check_present(documents[0], found, mistakes)
    for node in found["version"]:
        mistakes.attempt(values.version, node)
    _once(found["version"], mistakes)
    declared = _merged(found["agents"], mistakes)
    agents = read_agents(declared, mistakes)
    jobs = Jobs(
        defaults=_once(found["defaults"], mistakes),
        profiles=_merged(found["profiles"], mistakes),
        agents=Agents(declared, agents, mistakes, complete=complete),
        mistakes=mistakes,
        complete=complete,
    )
    built = [jobs.job(name, node) for name, node in _merged(found["jobs"], mistakes).items()]
    return JobFile(tuple(job for job in built if job is not None), agents)


def _check_present(first: tree.Mapping, found: Mapping[str, list[Node]], mistakes: Mistakes) -> None:
    for key, form in (("version", "version: 1"), ("jobs", "jobs: {name: {schedule, agents, task}}")):
        if not found[key]:
            mistakes.add(Mistake(first.place, key, f"is missing; add '{form}'"))


def _once(nodes: list[Node], mistakes: Mistakes) -> Node | None:
    for node in nodes[1:]:
        mistakes.add(_repeat(node, nodes[0]))
    return nodes[0] if nodes else None


def _merged(nodes: list[Node], mistakes: Mistakes) -> dict[str, Node]:
    """The entries of the mappings ``nodes``, by name."""
    merged: dict[str, Node] = {}
    for node in nodes:
        for name, entry in (mistakes.attempt(lambda n: values.named(n, mistakes), node) or {}).items():
            if name in merged:
                mistakes.add(_repeat(entry, merged[name]))
            else:
                merged[name] = entry
    return merged


def _repeat(node: Node, first: Node) -> Mistake:
    return node.mistake(f"given twice, first at {first.place}; remove or rename one")
