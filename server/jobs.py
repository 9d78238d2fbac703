"""
The live job file, as the scheduler declared it last: shown to callers, never fired from here.

It is kept in the store, so that a server that starts anew shows it before the scheduler comes back.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
import structlog
from msgspec import Struct

from protocol.crontab import AgentCron, DeclaredJob, Gap, read_declared_jobs
from protocol.errors import InvalidParams, PermissionDenied, RpcError, Unreadable
from protocol.permissions import GLOBAL, Permission, Scope
from protocol.reading import MALFORMED, normal_uuid
from protocol.tasks import read_shown_task
from server.auth import Auth, Token
from server.metrics.jobs import JobMetrics, JobState
from server.metrics.probes import ProbeMetrics
from server.metrics.stats import ProbeLabels
from server.restoring import DeclaredProbe, Restoring
from server.series import SeriesBook
from server.sessions import Sessions
from server.store.interface import GapRow, InternNames, JobName, Names, PutSetting, RecordGaps, Store
from server.writer import Writer

log = structlog.get_logger()

MOST_NAME_LENGTH = 128
LEAST_RETENTION_MS = 3_600_000
_SETTING = "declared_jobs"
_SHOWN = 40
_READ = Permission("crontab", "read")


class Job(Struct, frozen=True):
    """A declared job with the number that the store knows it by."""

    id: int
    declared: DeclaredJob
    cron: AgentCron


class Jobs:
    """The declared jobs. What a declaration adds gets its series and last states, what it leaves out loses them."""

    def __init__(
        self,
        *,
        writer: Writer,
        store: Store,
        sessions: Sessions,
        series: SeriesBook,
        probes: ProbeMetrics,
        metrics: JobMetrics,
        restoring: Restoring,
    ) -> None:
        self._writer = writer
        self._store = store
        self._sessions = sessions
        self._series = series
        self._probes = probes
        self._metrics = metrics
        self._restoring = restoring
        self._jobs: list[Job] = []
        self._text = b""
        self._retired: set[ProbeLabels] = set()
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` after every declaration, also one that changes nothing."""
        self._listeners.append(listener)

    def __iter__(self) -> Iterator[Job]:
        return iter(self._jobs)

    async def load(self) -> None:
        """
        Take over what was declared before the server's last end.

        Raises:
            StoreFailed: it cannot be read.
        """
        text = (await self._store.setting(_SETTING, "[]")).encode()
        try:
            jobs = readable(read_declared_jobs(text))
        except (RpcError, *MALFORMED) as e:
            log.warning("declared jobs of another version are not shown until the scheduler declares again", why=str(e))
            return
        self._jobs = await self._numbered(jobs)
        self._text = text
        if jobs:
            self._show(set())

    async def declare(self, jobs: Sequence[tuple[DeclaredJob, AgentCron]], before_ms: int) -> dict[str, int]:
        """
        Let these jobs take the place of all declared before; the last of several schedulers wins.

        The answer says when those that were declared and enabled before had their last tick before ``before_ms``.

        Raises:
            StoreFailed: nothing changed.
        """
        ran = {job.declared.name for job in self._jobs if job.declared.enabled}
        go_on = [declared.name for declared, _ in jobs if declared.enabled and declared.name in ran]
        last_ticks = await self._store.last_ticks(go_on, before_ms) if before_ms else {}
        text = msgspec.json.encode([declared for declared, _ in jobs])
        if text != self._text:
            before = {probe.labels for probe in self._declared()}
            await self._writer.write(PutSetting(_SETTING, text.decode()))
            self._jobs = await self._numbered(jobs)
            self._text = text
            self._show(before)
        # Again with every declaration: a tick that waited while its job was removed brings the series back.
        self._probes.drop(self._retired)
        self._series.forget(self._retired)
        for listener in self._listeners:
            listener()
        return last_ticks

    async def record_gaps(self, gaps: Sequence[Gap]) -> None:
        """
        Keep ticks that no scheduler fired.

        Raises:
            StoreFailed: they are not kept.
        """
        await self._writer.write(RecordGaps([GapRow(*msgspec.structs.astuple(gap)) for gap in gaps]))

    def visible(self, auth: Auth, token: Token) -> list[Job]:
        """
        The jobs that the token may read: all, or those of its agents.

        Raises:
            PermissionDenied: it may read none at all.
        """
        if token.is_root:
            return list(self._jobs)
        auth.need_window(token)
        scopes = {scope for limit in token.limits if _READ in limit.permissions for scope in limit.scopes}
        if not scopes:
            raise PermissionDenied("Permission Denied: Insufficient Crontab Read permission")
        return [
            job
            for job in self._jobs
            if GLOBAL in scopes or any(Scope("agent_uuid", uuid) in scopes for uuid in job.cron.agents)
        ]

    def _show(self, before: set[ProbeLabels]) -> None:
        """Let metrics say what is declared now; ``before`` are the labels of the probes that were."""
        agents: dict[str, Mapping[str, str]] = {}
        for job in self._jobs:
            for agent in job.declared.agents:
                agents.setdefault(agent.uuid, agent.labels)
        self._sessions.declare(agents)
        probes = list(self._declared())
        declared = {probe.labels for probe in probes}
        self._retired = (self._retired | before) - declared
        for labels in declared:
            self._probes.of(labels)
        self._restoring.restore(probe for probe in probes if probe.labels not in before)
        enabled = [job.declared for job in self._jobs if job.declared.enabled]
        self._metrics.show(JobState(job.name, job.schedule, job.timezone, job.labels) for job in enabled)

    def _declared(self) -> Iterator[DeclaredProbe]:
        """Every probe that is declared."""
        for job in self._jobs:
            declared = job.declared
            if not declared.enabled:
                continue
            for agent in declared.agents:
                name = self._sessions.name(agent.uuid, agent.name)
                for cell in declared.cells:
                    labels = ProbeLabels(declared.name, name, cell.type, cell.target)
                    yield DeclaredProbe(JobName(declared.name, cell.name), agent.uuid, labels)

    async def name_agent(self, uuid: str, name: str) -> None:
        """
        Let callers know an agent of the job file by its name, before its first tick.

        Raises:
            StoreFailed: nothing changed.
        """
        await self._know(InternNames(agents={uuid: name}))

    async def _know(self, names: InternNames) -> Names:
        numbers: Names = await self._writer.write(names)
        for uuid, name in names.agents.items():
            self._sessions.name(uuid, name)
        return numbers

    async def _numbered(self, jobs: Sequence[tuple[DeclaredJob, AgentCron]]) -> list[Job]:
        agents = {agent.uuid: agent.name for declared, _ in jobs for agent in declared.agents}
        keys = [JobName(declared.name, "") for declared, _ in jobs]
        names = await self._know(InternNames(jobs=keys, agents=agents))
        return [Job(names.jobs[key], *job) for key, job in zip(keys, jobs, strict=True)]


def readable(jobs: Sequence[DeclaredJob]) -> list[tuple[DeclaredJob, AgentCron]]:
    """
    The jobs with their tasks and UUIDs read.

    Raises:
        InvalidParams: one of them makes no sense; it is named.
    """
    found = []
    for job in jobs:
        if not 0 < len(job.name) <= MOST_NAME_LENGTH:
            raise InvalidParams(f"job {job.name[:_SHOWN]!r}: want a name of 1 to {MOST_NAME_LENGTH} characters")
        if job.retention_ms is not None and job.retention_ms < LEAST_RETENTION_MS:
            raise InvalidParams(
                f"job {job.name!r}: retention_ms is {job.retention_ms}, want {LEAST_RETENTION_MS} or more"
            )
        try:
            task = read_shown_task(job.task)
            found.append((job, AgentCron(tuple(normal_uuid(agent.uuid) for agent in job.agents), task)))
        except Unreadable as e:
            raise InvalidParams(f"job {job.name!r}: {e}") from e
    return found
