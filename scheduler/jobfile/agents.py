"""
The agents that files declare, and which of them run a job: all, listed ones, or a selection by labels.

A selection is the same every time for the same files: agents are ranked by a hash of the job's name and their UUID, so
that a new agent moves few others.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from itertools import zip_longest

from scheduler.jobfile import tree, values
from scheduler.jobfile.mistakes import Mistakes, advice
from scheduler.jobfile.tree import Node, Scalar
from scheduler.jobs import Agent, JobAgent

_AGENT_KEYS = ("uuid", "labels", "enabled")
_SELECTOR_KEYS = ("match", "count", "spread_by")
MOST_AGENTS = 100_000


def read_agents(nodes: Mapping[str, Node], mistakes: Mistakes) -> dict[str, Agent]:
    """The agents without a mistake, by name."""
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
    entries.only(_AGENT_KEYS, mistakes)
    if "uuid" not in entries.entries:
        raise node.wrong("'uuid' is missing; add it")
    uuid = mistakes.attempt(values.uuid, entries.entries["uuid"])
    labels = enabled = None
    if "labels" in entries.entries:
        labels = mistakes.attempt(lambda n: values.labels(n, mistakes), entries.entries["labels"])
    if "enabled" in entries.entries:
        enabled = mistakes.attempt(values.boolean, entries.entries["enabled"])
    return None if uuid is None else Agent(uuid, labels or {}, enabled is not False)


class Agents:
    """
    Chooses the agents of jobs; ``declared`` are all of the files, ``agents`` those without a mistake.

    Without ``complete`` a file could not be read, and nothing is called unknown that it may have declared.
    """

    def __init__(
        self, declared: Mapping[str, Node], agents: Mapping[str, Agent], mistakes: Mistakes, *, complete: bool
    ) -> None:
        self._declared = declared
        self._agents = agents
        self._names = {agent.uuid: name for name, agent in agents.items()}
        self._mistakes = mistakes
        self._complete = complete

    def of_job(self, job: str, node: Node) -> tuple[JobAgent, ...]:
        """The enabled agents that run ``job``."""
        if isinstance(node, Scalar) and node.text == "all":
            if not self._declared and self._complete:
                raise node.wrong("found 'all', but no agent is declared; add some under 'agents:'")
            chosen = [JobAgent(name, agent.uuid) for name, agent in self._agents.items()]
        elif isinstance(node, tree.Sequence) and node.elements:
            chosen = self._listed(node)
        elif isinstance(node, tree.Mapping):
            return self._selected(job, node)
        else:
            raise node.wrong(f"found {values.shown(node)}; want all, a list of names and UUIDs, or {{match: …}}")
        return tuple(agent for agent in chosen if agent.name is None or self._agents[agent.name].enabled)

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
            return self._agents[name].uuid if name in self._agents else None
        uuid = values.uuid_of(name)
        if uuid is None and self._complete:
            raise node.wrong(f"unknown agent '{name}'; {advice(name, self._declared)}")
        return uuid

    def _selected(self, job: str, node: tree.Mapping) -> tuple[JobAgent, ...]:
        node.only(_SELECTOR_KEYS, self._mistakes)
        before = self._mistakes.count
        wanted = self._wanted(node.entries["match"]) if "match" in node.entries else {}
        count = (
            int(values.number(node.entries["count"], 1, MOST_AGENTS, whole=True)) if "count" in node.entries else None
        )
        spread_by = values.string(node.entries["spread_by"]) if "spread_by" in node.entries else None
        if not node.entries:
            raise node.wrong("is empty; want {match: {label: value}, count: 1, spread_by: label}")
        matching = {name: agent for name, agent in self._agents.items() if _matches(agent, wanted)}
        is_whole = self._complete and len(self._agents) == len(self._declared)
        if not matching and is_whole and self._mistakes.count == before:
            raise node.wrong("selects no agent; correct 'match', or the labels under 'agents:'")
        ranked = sorted(
            (name for name, agent in matching.items() if agent.enabled),
            key=lambda name: _rank(job, matching[name].uuid),
        )
        if spread_by is not None:
            ranked = _spread(ranked, {name: agent.labels.get(spread_by, "") for name, agent in matching.items()})
        chosen = set(ranked[:count])
        return tuple(JobAgent(name, agent.uuid) for name, agent in matching.items() if name in chosen)

    def _wanted(self, node: Node) -> dict[str, list[str]]:
        known = {label for agent in self._agents.values() for label in agent.labels}
        wanted = {}
        for label, entry in values.mapping(node).entries.items():
            if label not in known and self._complete:
                self._mistakes.add(entry.mistake(f"no agent has the label '{label}'; {advice(label, sorted(known))}"))
            wanted[label] = [values.string(element) for element in values.one_or_more(entry)]
        return wanted


def _matches(agent: Agent, wanted: Mapping[str, list[str]]) -> bool:
    return all(agent.labels.get(label) in allowed for label, allowed in wanted.items())


def _rank(job: str, uuid: str) -> bytes:
    return sha256(f"{job}\0{uuid}".encode()).digest()


def _spread(ranked: Iterable[str], value_of: Mapping[str, str]) -> list[str]:
    """The same names in turns: the first of each label value, then the second of each."""
    groups: dict[str, list[str]] = {}
    for name in ranked:
        groups.setdefault(value_of[name], []).append(name)
    return [name for turn in zip_longest(*groups.values()) for name in turn if name is not None]
