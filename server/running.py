"""
What runs at this moment, in memory: so that an upload needs no look at the store.

``Series`` is what stays the same from tick to tick, ``RunningTask`` one tick of it on its way.
"""

import asyncio
import secrets
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from protocol.events import TaskResponse
from protocol.tasks import TASK_TYPES
from protocol.tasks.interface import TaskType
from server.expectations import Expectations
from server.metrics.stats import ProbeStats

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_TO_ALPHABET = bytes(_ALPHABET[byte % len(_ALPHABET)] for byte in range(256))
_TOKEN_LENGTH = 10


class Lane(Struct, eq=False):
    """A job's cell on one agent, whatever its definition: how many of its tasks run, and the secrets it has now."""

    running: int = 0
    secrets: Mapping[str, str] = {}


class Series(Struct, eq=False, kw_only=True):
    """
    All ticks of one job's cell on one agent by one definition, by the numbers that the store knows them by.

    ``task_text`` is what the agent gets, secrets resolved; ``secrets`` are values by reference, to be covered in what
    comes back. ``are_secrets_lost`` when there were some before the server was restarted. ``options`` is JSON.
    ``job_id`` and ``stats`` are ``None`` for a task that no job asked for.
    """

    agent_uuid: str
    type_name: str
    task_text: bytes
    timeout_ms: int
    job_id: int | None
    spec_id: int
    agent_id: int
    stats: ProbeStats | None
    cron_source: str | None
    lane: Lane
    expectations: Expectations | None = None
    options: bytes | None = None
    secrets: Mapping[str, str] = {}
    are_secrets_lost: bool = False

    @property
    def type(self) -> TaskType:
        """The task's type."""
        return TASK_TYPES[self.type_name]


class RunningTask(Struct, eq=False, gc=False):
    """
    A task that has no end yet. ``created_ms`` is its commit, ``sent_ms`` its dispatch, both ms since the epoch;
    ``None`` for not yet. ``waiter`` is who waits for the response, if anyone. ``flags`` are those of its row.
    """

    id: int
    token: str
    series: Series
    scheduled_ms: int | None
    deadline_ms: int
    created_ms: int
    sent_ms: int | None = None
    waiter: asyncio.Future[TaskResponse] | None = None
    flags: int = 0


class RunningTasks:
    """The running tasks by id."""

    def __init__(self) -> None:
        self._by_id: dict[int, RunningTask] = {}
        self._returned: list[RunningTask] = []

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[RunningTask]:
        return iter(self._by_id.values())

    def add(self, tasks: Iterable[RunningTask]) -> None:
        """Let them run."""
        for task in tasks:
            self._by_id[task.id] = task
            task.series.lane.running += 1

    def put_back(self, tasks: Iterable[RunningTask]) -> None:
        """Let tasks run on whose end could not be stored."""
        returned = list(tasks)
        self.add(returned)
        self._returned += returned

    def take_returned(self) -> list[RunningTask]:
        """The tasks put back since the last call, whose deadlines nobody watches."""
        returned, self._returned = self._returned, []
        return returned

    def get(self, id_: int) -> RunningTask | None:
        """The task with this id, or ``None`` when none such runs."""
        return self._by_id.get(id_)

    def take(self, id_: int) -> RunningTask | None:
        """Remove the task, for whoever ends it; ``None`` when somebody else did."""
        task = self._by_id.pop(id_, None)
        if task is not None:
            task.series.lane.running -= 1
        return task


def make_task_tokens(count: int) -> list[str]:
    """
    Tokens of ten characters ``[A-Za-z0-9]``.

    A byte modulo 62 favours eight characters a little; 59.5 of 59.5 bits remain.
    """
    text = secrets.token_bytes(count * _TOKEN_LENGTH).translate(_TO_ALPHABET).decode()
    return [text[start : start + _TOKEN_LENGTH] for start in range(0, len(text), _TOKEN_LENGTH)]
