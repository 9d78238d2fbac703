"""What a job file declares, once it has been found free of mistakes: parsed at the door, trusted after."""

from typing import NamedTuple

from msgspec import Struct

from protocol.tasks.interface import Task


class Agent(Struct, frozen=True):
    """An entry under ``agents:``; while it is not ``enabled``, no job runs on it."""

    uuid: str
    labels: dict[str, str] = {}
    enabled: bool = True


class JobAgent(NamedTuple):
    """An agent that runs a job; ``name`` is ``None`` for a bare UUID that the file gives no name."""

    name: str | None
    uuid: str


class Job(Struct, frozen=True, kw_only=True):
    """
    An entry under ``jobs:`` with its defaults.

    ``schedule`` is read in ``timezone``, an IANA name; ``task_text`` is the task object's JSON. ``agents`` holds the
    enabled ones only and may be empty. ``description`` is ``None`` when there is none.
    """

    name: str
    schedule: str
    timezone: str
    task: Task
    task_text: bytes
    agents: tuple[JobAgent, ...]
    timeout_ms: int
    enabled: bool
    description: str | None


class JobFile(Struct, frozen=True):
    """All job files together: jobs in the order they are written, agents by name."""

    jobs: tuple[Job, ...]
    agents: dict[str, Agent]
