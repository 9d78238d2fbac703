"""
What the server asks of a store: a few changes, always committed in groups, and a few questions.

Ids of tasks are the server's, so that a row can be written without asking the database for anything. To add a
backend: a module with this interface, its line in ``__init__.py``, a param of the contract suite.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct

from protocol.conditions import Condition
from protocol.crontab import TickCondition
from protocol.stats import Grouping, GroupStats

LATE = 1
"""Flag of a row: the result came after the deadline and replaced ``no_result``."""
DEGRADED = 2
"""Flag of a row: ok, but slower than its job's warning."""
MAINTENANCE = 4
"""Flag of a row: it was due inside a maintenance window of its job."""


class TaskRow(NamedTuple):
    """A task as it is created; with ``finished_ms`` set it never ran. Times are ms since the epoch."""

    id: int
    job_id: int | None
    spec_id: int
    agent_id: int
    scheduled_ms: int | None
    timeout_ms: int
    finished_ms: int | None
    stored_ms: int | None
    success: bool | None
    reason: int | None
    token: str
    flags: int = 0


class FinishRow(NamedTuple):
    """The end of a task; ``reason`` is ``None`` when it went well, ``latency_ms`` when there is none."""

    id: int
    sent_ms: int | None
    started_ms: int | None
    finished_ms: int
    stored_ms: int
    success: bool
    reason: int | None
    latency_ms: float | None
    flags: int


class ResultRow(NamedTuple):
    """What a result says beyond its latency; the texts are JSON with members in byte order, ``None`` for null."""

    task_id: int
    error_message: str | None
    result: str | None
    detail: str | None


class InsertTasks(Struct, frozen=True):
    """Create tasks. Answers {id not inserted: id of the task that has its key}, empty when all are new."""

    rows: Sequence[TaskRow]


class FinishTasks(Struct, frozen=True):
    """End running tasks. A task that is not running is left as it is."""

    rows: Sequence[FinishRow]
    results: Sequence[ResultRow] = ()


class ReplaceLate(Struct, frozen=True):
    """A late result takes the place of ``no_result``. Answers whether it did."""

    row: FinishRow
    result: ResultRow | None


class DeleteTasks(Struct, frozen=True):
    """
    Delete what matches, at most ``most`` rows. Answers (rows deleted, ids of those that were running).
    """

    conditions: Sequence[Condition]
    most: int


class DeleteIds(Struct, frozen=True):
    """Delete the rows with these ids, none of them running. Answers how many there were."""

    ids: Sequence[int]


class DeleteGaps(Struct, frozen=True):
    """Delete gaps that ended before ``before_ms``. Answers how many there were."""

    before_ms: int


class JobName(NamedTuple):
    """A job's cell: the name is the ``cron_source``, ``cell`` is ``""`` for a job without a matrix."""

    name: str
    cell: str


class Spec(NamedTuple):
    """
    What a job's cell does, as people may see it: the task object's wire JSON, the JSON of what is expected and of
    measuring options, ``None`` for none, and the target for labels, ``None`` for the one that the task has itself.
    """

    task: str
    expect: str | None = None
    options: str | None = None
    target: str | None = None


class InternNames(Struct, frozen=True):
    """
    Give names their numbers. Answers a ``Names`` of what was asked.

    ``agents`` maps UUIDs to names of the job file; ``None`` leaves the name that is known.
    """

    jobs: Sequence[JobName] = ()
    agents: Mapping[str, str | None] = {}
    specs: Sequence[Spec] = ()


class Names(Struct, frozen=True):
    """Numbers of names: agents by UUID."""

    jobs: dict[JobName, int]
    agents: dict[str, int]
    specs: dict[Spec, int]


class TokenRow(NamedTuple):
    """A token's record; ``limits`` is the JSON array of its limits. The root token has id 1."""

    id: int
    key: str
    secret_hash: str
    valid_from_ms: int | None
    valid_to_ms: int | None
    limits: str
    username: str | None
    password_hash: str | None


class PutToken(Struct, frozen=True):
    """Create or replace a token; id 0 stands for the next free one. Answers its id."""

    row: TokenRow


class DeleteToken(Struct, frozen=True):
    """Delete a token. Answers whether it was there."""

    id: int


class ReserveIds(Struct, frozen=True):
    """Set aside task ids that are never handed out again. Answers the first of ``count``."""

    count: int


class PutSetting(Struct, frozen=True):
    """Write a value that lives as long as the store. Answers ``None``."""

    name: str
    value: str


class GapRow(NamedTuple):
    """
    Ticks of the job ``name`` that no scheduler fired: the first was due at ``from_ms``, the last at ``to_ms``, both ms
    since the epoch; ``ticks`` counts one for each task that would have been.
    """

    name: str
    from_ms: int
    to_ms: int
    ticks: int


class RecordGaps(Struct, frozen=True):
    """Keep these gaps; one that begins where another of its job does is known already. Answers ``None``."""

    rows: Sequence[GapRow]


Change = (
    InsertTasks
    | FinishTasks
    | ReplaceLate
    | DeleteTasks
    | DeleteIds
    | DeleteGaps
    | InternNames
    | PutToken
    | DeleteToken
    | ReserveIds
    | PutSetting
    | RecordGaps
)


class Tick(NamedTuple):
    """A tick of a job; ``was_handed_over`` is whether its task reached an agent's connection."""

    id: int
    job_id: int
    job_name: str
    agent_uuid: str
    scheduled_ms: int
    was_handed_over: bool


class StoredTask(NamedTuple):
    """A row with its names, as queries and a restart need it. ``spec`` is the task object's wire JSON; see ``Spec``."""

    id: int
    cron_source: str | None
    cell: str | None
    agent_uuid: str
    agent_name: str | None
    spec: str
    scheduled_ms: int | None
    timeout_ms: int
    sent_ms: int | None
    started_ms: int | None
    finished_ms: int | None
    stored_ms: int | None
    success: bool | None
    reason: int | None
    latency_ms: float | None
    token: str
    flags: int
    error_message: str | None
    result: str | None
    detail: str | None
    expect: str | None = None
    target: str | None = None


class LastEnd(NamedTuple):
    """
    The end of a run as its probe's last state needs it; ``reason`` ``None`` is ok.

    ``spec`` and ``target`` are those of its ``Spec``, ``detail`` the JSON of what the agent told, ``None`` for nothing.
    """

    cron_source: str
    cell: str
    agent_uuid: str
    spec: str
    target: str | None
    scheduled_ms: int | None
    finished_ms: int
    reason: int | None
    latency_ms: float | None
    flags: int
    detail: str | None


class Store(Protocol):
    """
    One database. Every method may raise ``StoreFailed``; times out by its own driver.

    ``write`` commits all changes or none and answers each in its order.
    """

    async def write(self, changes: Sequence[Change]) -> list[object]:
        """Commit the changes together; when this returns they survive a crash."""
        ...

    async def select(self, conditions: Sequence[Condition], among: Sequence[int] | None = None) -> list[StoredTask]:
        """
        Rows that match, ordered and limited as the protocol says; 10,000 at most.

        ``among`` are the ids to choose from, 1,000 at most; ``None`` chooses from all.

        Raises:
            ResponseTooBig: what they say is more than a response may hold.
        """
        ...

    async def ticks(self, conditions: Sequence[TickCondition]) -> list[Tick]:
        """Ticks of jobs that match, the newest first; 1,000 unless they say otherwise, 10,000 at most."""
        ...

    async def stats(self, conditions: Sequence[Condition], by: Grouping) -> list[GroupStats]:
        """
        Counts and latencies of the rows that match, by group, ordered by their keys.

        Limits among the conditions are not looked at. One group more than ``MOST_GROUPS`` says that there are too many.
        """
        ...

    async def last_ticks(self, names: Sequence[str], before_ms: int) -> dict[str, int]:
        """When the last tick of each of these jobs was due, before ``before_ms``; without those that have none."""
        ...

    async def gaps(self, names: Sequence[str], since_ms: int) -> list[GapRow]:
        """The gaps of these jobs that end at ``since_ms`` or later, newest first, 10,000 at most."""
        ...

    async def last_runs(self, names: Sequence[str]) -> dict[str, int]:
        """When the tick that ended last was due, ms since the epoch, of each of these jobs that has one."""
        ...

    async def expired(self, before_ms: Mapping[str, int], others_before_ms: int | None, most: int) -> list[int]:
        """
        Ids of rows that ended before their time, at most ``most``; never the newest row of a job's cell.

        ``before_ms`` is by job; ``others_before_ms`` is for other jobs and for tasks by hand, ``None`` keeps them.
        """
        ...

    async def last_ends(self, cells: Sequence[JobName], most_rows: int) -> list[LastEnd]:
        """
        For each agent of these cells, 1,000 at most, and each outcome the run that ended last, newest first.

        Only the last ``most_rows`` ends of a cell are looked at, all its agents together.
        """
        ...

    async def running(self) -> list[StoredTask]:
        """All tasks without an end, to be taken up again after a restart."""
        ...

    async def agents(self) -> list[tuple[str, str | None]]:
        """All agents as (UUID, name in the job file, or ``None``)."""
        ...

    async def tokens(self) -> list[TokenRow]:
        """All token records."""
        ...

    async def setting(self, name: str, default: str) -> str:
        """A value that lives as long as the store; ``default`` is written when there is none."""
        ...

    async def close(self) -> None:
        """Let go of the database."""
        ...
