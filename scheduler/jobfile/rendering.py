"""A ``JobFile`` as YAML again: what it is after defaults, profiles, matrix and selectors."""

from typing import Any

import yaml

from scheduler.definition import definition
from scheduler.jobs import Agent, JobFile


def rendered(jobs: JobFile) -> dict[str, Any]:
    """The whole as plain data."""
    return {
        "version": 1,
        "agents": {name: _agent(agent) for name, agent in jobs.agents.items()},
        "jobs": {job.name: definition(job) for job in jobs.jobs},
    }


def _agent(agent: Agent) -> dict[str, Any]:
    labels = {"labels": agent.labels} if agent.labels else {}
    return {"uuid": agent.uuid, **labels, **({} if agent.enabled else {"enabled": False})}


def render(jobs: JobFile) -> str:
    """
    The whole as YAML; secrets stand as their references.

    Without a matrix it can be loaded again. The cells of one stand under ``cells``, a key that no job file has.
    """
    return yaml.dump(rendered(jobs), Dumper=yaml.SafeDumper, sort_keys=False, allow_unicode=True, width=120)
