"""Probes as the agent runs them, without a server."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from agent.config import Config
from agent.probes import open_probes
from agent.probes.interface import Probe, Work
from protocol.events import TaskEvent
from protocol.options import Options
from protocol.tasks.interface import Task
from tests.agent.scripted_server import AGENT_UUID


def probes_of(
    file: Path | None = None, on_edited: Callable[[], None] = lambda: None, **settings: Any
) -> AbstractAsyncContextManager[Mapping[str, Probe]]:
    return open_probes(Config(agent_uuid=AGENT_UUID, servers=(), **settings), file, on_edited)


def work(name: str, payload: Any, task_id: int = 1, options: Options | None = None) -> Work:
    event = TaskEvent(task_id, "0123456789", Task(name, payload), options=options)
    return Work(event, AGENT_UUID, ignore_cert=False)
