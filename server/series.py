"""
The series that are known: what a task says for the first time is read, checked and numbered once, then looked up.
"""

from collections.abc import Mapping, Sequence, Set

from jmespath.exceptions import JMESPathError
from msgspec import Raw, Struct

from protocol.errors import InvalidInput, InvalidParams, RpcError, Unreadable
from protocol.methods.task import NewTask
from protocol.reading import normal_uuid
from protocol.secrets import REFERENCE, are_lost, cover, resolve, without_quotes
from protocol.tasks import TASK_TYPES, read_options, read_shown_task, read_task, wire_text
from protocol.tasks.interface import Task
from server.expectations import Expectations, prepared, prepared_again
from server.metrics.probes import ProbeMetrics
from server.metrics.stats import ProbeLabels
from server.running import Lane, Series
from server.sessions import Sessions
from server.store.interface import InternNames, JobName, Names, Spec, StoredTask
from server.writer import Writer

_MAX_TIMEOUT_MS = 300_000
_MAX_NAME = 128
_SHOWN = 40

_Key = tuple[object, ...]


class _Draft(Struct):
    """
    A series whose names have no numbers yet.

    ``task`` is what the agent gets, ``spec`` what the store and people see: they differ by ``secrets``.
    """

    job: JobName | None
    agent_uuid: str
    agent_name: str | None
    task: Task
    spec: Spec
    timeout_ms: int
    expectations: Expectations | None = None
    options: bytes | None = None
    secrets: Mapping[str, str] = {}
    are_secrets_lost: bool = False


class SeriesBook:
    """Finds series; numbers and remembers the new ones."""

    def __init__(self, *, writer: Writer, sessions: Sessions, probes: ProbeMetrics) -> None:
        self._writer = writer
        self._sessions = sessions
        self._probes = probes
        self._known: dict[_Key, Series] = {}
        self._lanes: dict[tuple[str, str, str], Lane] = {}

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
        draft = _Draft(None, agent_uuid, None, task, Spec(wire_text(task).decode()), timeout_ms)
        return self._series(draft, await self._writer.write(_names([draft])))

    def of_stored(self, row: StoredTask) -> Series:
        """The series of a task that ran when the server last ended; numbers are not needed to end it."""
        task = read_shown_task(row.spec.encode())
        job = None if row.cron_source is None else JobName(row.cron_source, row.cell or "")
        spec = Spec(row.spec, row.expect, None, target_of(row.spec, row.target)[1])
        expectations = None if row.expect is None else prepared_again(row.expect, {})
        draft = _Draft(job, row.agent_uuid, row.agent_name, task, spec, row.timeout_ms, expectations)
        draft.are_secrets_lost = job is not None and are_lost(row.spec + (row.expect or ""), {})
        numbers = Names({} if job is None else {job: 0}, {row.agent_uuid: 0}, {spec: 0})
        return self._series(draft, numbers)

    def secrets_of(self, row: StoredTask) -> Mapping[str, str]:
        """The secrets of the job's cell, as far as they are known: a scheduler has to have fired since the start."""
        lane = self._lanes.get((row.cron_source or "", row.cell or "", row.agent_uuid))
        return {} if lane is None else lane.secrets

    def forget(self, gone: Set[ProbeLabels]) -> None:
        """Leave out series that are not declared any more; what runs of them still ends."""
        self._known = {
            key: series
            for key, series in self._known.items()
            if series.stats is None or series.stats.labels not in gone
        }

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
            for key, draft in drafts.items():
                self._known[key].lane.secrets = draft.secrets
        return refused

    def _series(self, draft: _Draft, names: Names) -> Series:
        return Series(
            agent_uuid=draft.agent_uuid,
            type_name=draft.task.name,
            task_text=wire_text(draft.task),
            timeout_ms=draft.timeout_ms,
            job_id=None if draft.job is None else names.jobs[draft.job],
            spec_id=names.specs[draft.spec],
            agent_id=names.agents[draft.agent_uuid],
            stats=None if draft.job is None else self._probes.of(self._labels(draft, draft.job)),
            cron_source=None if draft.job is None else draft.job.name,
            lane=Lane() if draft.job is None else self._lanes.setdefault((*draft.job, draft.agent_uuid), Lane()),
            expectations=draft.expectations,
            options=draft.options,
            secrets=draft.secrets,
            are_secrets_lost=draft.are_secrets_lost,
        )

    def _labels(self, draft: _Draft, job: JobName) -> ProbeLabels:
        target = draft.spec.target
        if target is None:
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
        task.target,
        bytes(task.expect),
        bytes(task.options),
        tuple(task.secrets.items()) if task.secrets else None,
    )


def _draft(new: NewTask) -> _Draft:
    try:
        shown = bytes(new.task_type)
        task = read_task(resolve(shown, new.secrets))
        if new.secrets:
            _check_secrets(new.secrets, read_shown_task(shown), task)
        expect, given_options = _given(new.expect), _given(new.options)
        options = None if given_options is None else resolve(given_options, new.secrets)
        if options is not None:
            read_options(task.name, options)
        expectations = None if expect is None else prepared(expect, new.secrets)
        agent_uuid = normal_uuid(new.target_uuid)
    except (Unreadable, JMESPathError) as e:
        raise InvalidParams(without_quotes(str(e), new.secrets)) from e
    refuse(task, new.secrets)
    if not 0 < new.timeout_ms <= _MAX_TIMEOUT_MS:
        raise InvalidInput(f"timeout_ms is {new.timeout_ms}, want 1 to {_MAX_TIMEOUT_MS}")
    if not 0 < len(new.cron_source) <= _MAX_NAME:
        raise InvalidInput(f"cron_source has {len(new.cron_source)} characters, want 1 to {_MAX_NAME}")
    return _Draft(
        job=JobName(new.cron_source, new.cell),
        agent_uuid=agent_uuid,
        agent_name=new.agent_name,
        task=task,
        spec=_spec(new, task),
        timeout_ms=new.timeout_ms,
        expectations=expectations,
        options=options,
        secrets=new.secrets,
    )


def _check_secrets(secrets: Mapping[str, str], shown: Task, task: Task) -> None:
    """Values may stand for nothing but references, so that the task is what the caller's token was checked for."""
    for reference in secrets:
        if not REFERENCE.fullmatch(reference):
            raise InvalidParams(f"secrets: {reference[:_SHOWN]!r} is no reference such as ${{env:NAME}}")
    if shown.name != task.name:
        raise InvalidParams("secrets: the type of a task is no secret")


def _spec(new: NewTask, task: Task) -> Spec:
    target = new.target
    if target is None and new.secrets:
        target = cover(TASK_TYPES[task.name].target(task.payload), new.secrets)
    return Spec(
        bytes(new.task_type).decode() if new.secrets else wire_text(task).decode(),
        _shown(new.expect),
        _shown(new.options),
        target,
    )


def _given(text: Raw) -> bytes | None:
    """The JSON, ``None`` for ``null``."""
    given = bytes(text)
    return None if given == b"null" else given


def _shown(text: Raw) -> str | None:
    given = _given(text)
    return None if given is None else given.decode()


def target_of(spec: str, target: str | None) -> tuple[str, str]:
    """The labels type and target; the task of an old row that has no target can be read, for it has no secrets."""
    if target is not None:
        return read_shown_task(spec.encode()).name, target
    task = read_task(spec.encode())
    return task.name, TASK_TYPES[task.name].target(task.payload)


def refuse(task: Task, secrets: Mapping[str, str] = {}) -> None:
    """
    Refuse a task that decodes and makes no sense, and quote nothing of one that has secrets.

    Raises:
        InvalidInput: its type says why.
    """
    wrong = TASK_TYPES[task.name].refuse(task.payload)
    if wrong is not None:
        raise InvalidInput(without_quotes(wrong, secrets))


def _names(drafts: Sequence[_Draft]) -> InternNames:
    return InternNames(
        jobs=list({draft.job for draft in drafts if draft.job is not None}),
        agents={draft.agent_uuid: draft.agent_name for draft in drafts},
        specs=list({draft.spec for draft in drafts}),
    )
