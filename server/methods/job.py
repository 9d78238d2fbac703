"""``job_*``: ours, for the scheduler to tell the server of the job file, and for callers to see what runs of it."""

from collections.abc import Sequence

from protocol.crontab import AgentCron, DeclaredJob
from protocol.errors import InvalidInput, PermissionDenied
from protocol.methods.crontab import DeclareJobs, GetJobs, ListGaps, RecordGaps
from protocol.permissions import Scope
from protocol.schemas import COUNT, TEXT, TIME_MS, array, record
from server.auth import Auth, Token, task_permission
from server.jobs import Jobs, readable
from server.methods.interface import Exchange, Method, json_text
from server.store.interface import Store

_GAP = record({"cron_source": TEXT, "from": TIME_MS, "to": TIME_MS, "ticks": COUNT})


class JobMethods:
    """The methods of this namespace."""

    def __init__(self, *, auth: Auth, jobs: Jobs, store: Store) -> None:
        self._auth = auth
        self._jobs = jobs
        self._store = store

    def methods(self) -> list[Method]:
        """All of them."""
        return [
            Method(
                name="job_declare",
                summary="Let these jobs be shown as the live job file (ours, for the scheduler).",
                result=record(
                    {"jobs": COUNT, "last_ticks": {"type": "object", "additionalProperties": TIME_MS}},
                ),
                params=DeclareJobs,
                call=self._declare,
            ),
            Method(
                name="job_record_gaps",
                summary="Keep ticks that no scheduler fired (ours, for the scheduler).",
                result=record({"gaps": COUNT}),
                params=RecordGaps,
                call=self._record_gaps,
            ),
            Method(
                name="job_gaps",
                summary="Show the ticks that no scheduler fired, newest first (ours).",
                result=array(_GAP),
                params=ListGaps,
                call=self._gaps,
            ),
            Method(
                name="job_list",
                summary="Show the jobs of the live job file in its own words (ours).",
                result=array(record({"name": TEXT, "definition": {"type": "object"}})),
                params=GetJobs,
                call=self._list,
            ),
        ]

    async def _declare(self, params: DeclareJobs, _exchange: Exchange) -> bytes:
        token = await self._auth.verify(params.token)
        found = readable(params.jobs)
        self._need_create(token, [*((job.declared, job.cron) for job in self._jobs), *found])
        last_ticks = await self._jobs.declare(found, params.before_ms)
        return json_text({"jobs": len(found), "last_ticks": last_ticks})

    def _need_create(self, token: Token, jobs: Sequence[tuple[DeclaredJob, AgentCron]]) -> None:
        """Whoever may fire all of a job may say of it what it likes, and that it is gone."""
        for declared, cron in jobs:
            if not cron.agents and not self._auth.allows_somewhere(token, task_permission("create", cron.task.name)):
                what = f"Missing Task Create ({cron.task.name}) permission of job {declared.name}"
                raise PermissionDenied(f"Permission Denied: {what}")
        wanted = {(uuid, cron.task.name): job.name for job, cron in jobs for uuid in cron.agents}
        for (uuid, type_name), job in wanted.items():
            if not self._auth.allows(token, [Scope("agent_uuid", uuid)], [task_permission("create", type_name)]):
                what = f"Missing Task Create ({type_name}) permission for Agent {uuid} of job {job}"
                raise PermissionDenied(f"Permission Denied: {what}")

    async def _record_gaps(self, params: RecordGaps, _exchange: Exchange) -> bytes:
        token = await self._auth.verify(params.token)
        declared = {job.declared.name: (job.declared, job.cron) for job in self._jobs}
        for gap in params.gaps:
            if gap.cron_source not in declared:
                raise PermissionDenied(f"Permission Denied: no job {gap.cron_source[:40]!r} is declared")
            if not 0 <= gap.from_ms <= gap.to_ms < 2**63 or not 0 < gap.ticks < 2**31:
                raise InvalidInput(f"the gap of job {gap.cron_source} is no range of time with ticks in it")
        self._need_create(token, [declared[gap.cron_source] for gap in params.gaps])
        await self._jobs.record_gaps(params.gaps)
        return json_text({"gaps": len(params.gaps)})

    async def _gaps(self, params: ListGaps, _exchange: Exchange) -> bytes:
        token = await self._auth.verify(params.token)
        visible = {job.declared.name for job in self._jobs.visible(self._auth, token)}
        wanted = visible & set(params.names) if params.names else visible
        rows = await self._store.gaps(sorted(wanted), params.since_ms)
        return json_text(
            [{"cron_source": row.name, "from": row.from_ms, "to": row.to_ms, "ticks": row.ticks} for row in rows]
        )

    async def _list(self, params: GetJobs, _exchange: Exchange) -> bytes:
        token = await self._auth.verify(params.token)
        visible = self._jobs.visible(self._auth, token)
        return json_text([{"name": job.declared.name, "definition": job.declared.definition} for job in visible])
