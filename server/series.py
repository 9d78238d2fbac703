"""
The series that are known: what a task says for the first time is read, checked and numbered once, then looked up.
"""

from collections.abc import Sequence

from msgspec import Raw, Struct

from protocol.errors import InvalidInput, InvalidParams, RpcError, Unreadable
from protocol.methods.task import NewTask
from protocol.reading import normal_uuid
from protocol.tasks import TASK_TYPES, read_task, wire_text
from protocol.tasks.interface import Task
from server.metrics.probes import ProbeLabels, ProbeMetrics
from server.running import Series
from server.sessions import Sessions
from server.store.interface import InternNames, JobName, Names, StoredTask
from server.writer import Writer

_MAX_TIMEOUT_MS = 300_000
_MAX_NAME = 128

_Key = tuple[str, str, str, bytes, int, str | None]


class _Draft(Struct):
    """A series whose names have no numbers yet."""

    job: JobName | None
    agent_uuid: str
    agent_name: str | None
    task: Task
    timeout_ms: int

    @property
    def task_text(self) -> bytes:
        return wire_text(self.task)


class SeriesBook:
    """Finds series; numbers and remembers the new ones."""

    def __init__(self, *, writer: Writer, sessions: Sessions, probes: ProbeMetrics) -> None:
        self._writer = writer
        self._sessions = sessions
        self._probes = probes
        self._known: dict[_Key, Series] = {}

    async def find(self, tasks: Sequence[NewTask]) -> list[Series | RpcError]:
        """
        The series of each task, or why it cannot have one.

        Raises:
            StoreFailed: new names could not be stored.
        """
        keys = [_key(task) for task in tasks]
        refused = await self._learn(
            {key: task for key, task in zip(keys, tasks, strict=True) if key not in self._known}
        )
        known = self._known
        return [known.get(key) or refused[key] for key in keys]

    async def once(self, agent_uuid: str, task: Task, timeout_ms: int) -> Series:
        """
        The series of a task that no job asked for; it is not remembered.

        Raises:
            StoreFailed: new names could not be stored.
        """
        draft = _Draft(None, agent_uuid, None, task, timeout_ms)
        return self._series(draft, await self._writer.write(_names([draft])))

    def of_stored(self, row: StoredTask) -> Series:
        """The series of a task that ran when the server last ended; numbers are not needed to end it."""
        task = read_task(row.spec.encode())
        job = None if row.cron_source is None else JobName(row.cron_source, row.cell or "")
        draft = _Draft(job, row.agent_uuid, row.agent_name, task, row.timeout_ms)
        numbers = Names({} if job is None else {job: 0}, {row.agent_uuid: 0}, {row.spec: 0})
        return self._series(draft, numbers)

    async def _learn(self, tasks: dict[_Key, NewTask]) -> dict[_Key, RpcError]:
        drafts: dict[_Key, _Draft] = {}
        refused: dict[_Key, RpcError] = {}
        for key, task in tasks.items():
            try:
                drafts[key] = _draft(task)
            except RpcError as e:
                refused[key] = e
        if drafts:
            names = await self._writer.write(_names(list(drafts.values())))
            self._known |= {key: self._series(draft, names) for key, draft in drafts.items()}
        return refused

    def _series(self, draft: _Draft, names: Names) -> Series:
        return Series(
            agent_uuid=draft.agent_uuid,
            type_name=draft.task.name,
            task_text=draft.task_text,
            timeout_ms=draft.timeout_ms,
            job_id=None if draft.job is None else names.jobs[draft.job],
            spec_id=names.specs[draft.task_text.decode()],
            agent_id=names.agents[draft.agent_uuid],
            stats=None if draft.job is None else self._probes.of(self._labels(draft, draft.job)),
            cron_source=None if draft.job is None else draft.job.name,
        )

    def _labels(self, draft: _Draft, job: JobName) -> ProbeLabels:
        target = TASK_TYPES[draft.task.name].target(draft.task.payload)
        agent = self._sessions.name(draft.agent_uuid, draft.agent_name)
        return ProbeLabels(job.name, agent, draft.task.name, target)


def _key(task: NewTask) -> _Key:
    return (
        task.cron_source,
        task.cell,
        task.target_uuid,
        bytes(task.task_type),
        task.timeout_ms,
        task.agent_name,
    )


def _draft(new: NewTask) -> _Draft:
    try:
        task = read_task(Raw(bytes(new.task_type)))
        agent_uuid = normal_uuid(new.target_uuid)
    except Unreadable as e:
        raise InvalidParams(str(e)) from e
    refuse(task)
    if not 0 < new.timeout_ms <= _MAX_TIMEOUT_MS:
        raise InvalidInput(f"timeout_ms is {new.timeout_ms}, want 1 to {_MAX_TIMEOUT_MS}")
    if not 0 < len(new.cron_source) <= _MAX_NAME:
        raise InvalidInput(f"cron_source has {len(new.cron_source)} characters, want 1 to {_MAX_NAME}")
    return _Draft(JobName(new.cron_source, new.cell), agent_uuid, new.agent_name, task, new.timeout_ms)


def refuse(task: Task) -> None:
    """
    Refuse a task that decodes and makes no sense.

    Raises:
        InvalidInput: its type says why.
    """
    wrong = TASK_TYPES[task.name].refuse(task.payload)
    if wrong is not None:
        raise InvalidInput(wrong)


def _names(drafts: Sequence[_Draft]) -> InternNames:
    return InternNames(
        jobs=list({draft.job for draft in drafts if draft.job is not None}),
        agents={draft.agent_uuid: draft.agent_name for draft in drafts},
        specs=list({draft.task_text.decode() for draft in drafts}),
    )
