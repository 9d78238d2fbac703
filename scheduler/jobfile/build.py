"""
The trees of all files as one ``JobFile``: which keys there are, how they default, what they refer to.

To add a key of a job: its reader in ``_Jobs.readers``, its field in ``jobs.py``.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from protocol.tasks import wire_text
from scheduler import cron
from scheduler.jobfile import tree, values
from scheduler.jobfile.mistakes import Mistake, Mistakes, advice
from scheduler.jobfile.tasks import task
from scheduler.jobfile.tree import Node, Scalar
from scheduler.jobs import Agent, Job, JobAgent, JobFile

TOP_KEYS = ("version", "defaults", "agents", "jobs")
AGENT_KEYS = ("uuid", "labels", "enabled")
NOT_IN_DEFAULTS = ("task",)
REQUIRED = ("schedule", "agents", "task")
ABSENT: Mapping[str, Any] = {"timezone": "UTC", "timeout": 10_000, "enabled": True, "description": None}


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
    defaults = _once(found["defaults"], mistakes)
    agents = _merged(found["agents"], mistakes)
    jobs = _Jobs(agents, _agents(agents, mistakes), mistakes, complete=complete)
    built = jobs.build(defaults, _merged(found["jobs"], mistakes))
    return JobFile(built, jobs.agents)


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


def _agents(nodes: Mapping[str, Node], mistakes: Mistakes) -> dict[str, Agent]:
    agents: dict[str, Agent] = {}
    names: dict[str, str] = {}
    for name, node in nodes.items():
        agent = mistakes.attempt(lambda n: _agent(n, mistakes), node)
        if agent is None:
            continue
        if agent.uuid in names:
            mistakes.add(node.mistake(f"has the UUID of agent {names[agent.uuid]}; give each agent its own"))
        names.setdefault(agent.uuid, name)
        agents[name] = agent
    return agents


def _agent(node: Node, mistakes: Mistakes) -> Agent | None:
    entries = values.mapping(node)
    entries.only(AGENT_KEYS, mistakes)
    if "uuid" not in entries.entries:
        raise node.wrong("'uuid' is missing; add it")
    uuid = mistakes.attempt(values.uuid, entries.entries["uuid"])
    labels = enabled = None
    if "labels" in entries.entries:
        labels = mistakes.attempt(lambda n: _labels(n, mistakes), entries.entries["labels"])
    if "enabled" in entries.entries:
        enabled = mistakes.attempt(values.boolean, entries.entries["enabled"])
    return None if uuid is None else Agent(uuid, labels or {}, enabled is not False)


def _labels(node: Node, mistakes: Mistakes) -> dict[str, str]:
    entries = values.named(node, mistakes)
    return {name: mistakes.attempt(values.string, entry) or "" for name, entry in entries.items()}


class _Jobs:
    """Builds the jobs; ``declared`` are all agents of the files, ``agents`` those without a mistake."""

    def __init__(
        self, declared: Mapping[str, Node], agents: dict[str, Agent], mistakes: Mistakes, *, complete: bool
    ) -> None:
        self.agents = agents
        self._declared = declared
        self._names = {agent.uuid: name for name, agent in agents.items()}
        self._mistakes = mistakes
        self._complete = complete
        self.readers: Mapping[str, Callable[[Node], Any]] = {
            "schedule": _schedule,
            "timezone": values.zone,
            "agents": self._job_agents,
            "task": lambda node: task(node, mistakes),
            "timeout": values.timeout_ms,
            "enabled": values.boolean,
            "description": values.string,
        }

    def build(self, defaults: Node | None, jobs: Mapping[str, Node]) -> tuple[Job, ...]:
        """The jobs, each with the keys of ``defaults`` that it has not itself."""
        shared = {} if defaults is None else self._mistakes.attempt(self._defaults, defaults) or {}
        built = [self._mistakes.attempt(partial(self._job, name, shared), node) for name, node in jobs.items()]
        return tuple(job for job in built if job is not None)

    def _defaults(self, node: Node) -> dict[str, Node]:
        entries = values.mapping(node)
        entries.only([key for key in self.readers if key not in NOT_IN_DEFAULTS], self._mistakes)
        shared = {key: entry for key, entry in entries.entries.items() if key not in NOT_IN_DEFAULTS}
        self._read(shared)
        return shared

    def _job(self, name: str, shared: Mapping[str, Node], node: Node) -> Job | None:
        entries = values.mapping(node)
        entries.only(self.readers, self._mistakes)
        given = {**shared, **entries.entries}
        for key in REQUIRED:
            if key not in given:
                self._mistakes.add(node.mistake(f"'{key}' is missing; add it"))
        read = self._read(given)
        if any(value is None for value in read.values()) or any(key not in read for key in REQUIRED):
            return None
        value = {**ABSENT, **read}
        return Job(
            name=name,
            schedule=value["schedule"],
            timezone=value["timezone"],
            task=value["task"],
            task_text=wire_text(value["task"]),
            agents=value["agents"],
            timeout_ms=value["timeout"],
            enabled=value["enabled"],
            description=value["description"],
        )

    def _read(self, entries: Mapping[str, Node]) -> dict[str, Any]:
        """The values of the known keys; ``None`` for one with a mistake."""
        known = {key: node for key, node in entries.items() if key in self.readers}
        return {key: self._mistakes.attempt(self.readers[key], node) for key, node in known.items()}

    def _job_agents(self, node: Node) -> tuple[JobAgent, ...]:
        if isinstance(node, Scalar) and node.text == "all":
            if not self._declared and self._complete:
                raise node.wrong("found 'all', but no agent is declared; add some under 'agents:'")
            listed = [JobAgent(name, agent.uuid) for name, agent in self.agents.items()]
        elif isinstance(node, tree.Sequence) and node.elements:
            listed = self._listed(node)
        else:
            raise node.wrong(f"found {values.shown(node)}; want all, or a list of agents' names and UUIDs")
        return tuple(agent for agent in listed if self._is_enabled(agent))

    def _listed(self, node: tree.Sequence) -> list[JobAgent]:
        listed: dict[str, Node] = {}
        for element in node.elements:
            uuid = self._mistakes.attempt(self._uuid, element)
            if uuid is not None and uuid in listed:
                text = f"{values.shown(element)} is listed already, as {values.shown(listed[uuid])}; remove one"
                self._mistakes.add(element.mistake(text))
            elif uuid is not None:
                listed[uuid] = element
        return [JobAgent(self._names.get(uuid), uuid) for uuid in listed]

    def _uuid(self, node: Node) -> str | None:
        """The UUID of an agent given by either; ``None`` for a declared one whose declaration has a mistake."""
        name = values.string(node)
        if name in self._declared:
            return self.agents[name].uuid if name in self.agents else None
        uuid = values.uuid_of(name)
        if uuid is None and self._complete:
            raise node.wrong(f"unknown agent '{name}'; {advice(name, self._declared)}")
        return uuid

    def _is_enabled(self, agent: JobAgent) -> bool:
        return agent.name is None or self.agents[agent.name].enabled


def _schedule(node: Node) -> str:
    text = values.string(node)
    try:
        cron.read_schedule(text)
    except cron.ScheduleError as e:
        raise node.wrong(str(e)) from e
    return " ".join(text.split())
