"""``job_*``: ours, for the scheduler to tell the server what is declared in the job file."""

from protocol.errors import PermissionDenied
from protocol.methods.crontab import DeclareJobs
from protocol.permissions import Scope
from protocol.schemas import COUNT, record
from server.auth import Auth, task_permission
from server.jobs import Jobs, readable
from server.methods.interface import Exchange, Method, json_text


def methods(*, auth: Auth, jobs: Jobs) -> list[Method]:
    """The methods of this namespace."""

    async def declare(params: DeclareJobs, _exchange: Exchange) -> bytes:
        token = await auth.verify(params.token)
        found = readable(params.jobs)
        wanted = {(uuid, cron.task.name): job.name for job, cron in found for uuid in cron.agents}
        for (uuid, type_name), job in wanted.items():
            if not auth.allows(token, [Scope("agent_uuid", uuid)], [task_permission("create", type_name)]):
                what = f"Missing Task Create ({type_name}) permission for Agent {uuid} of job {job}"
                raise PermissionDenied(f"Permission Denied: {what}")
        await jobs.declare(found)
        return json_text({"jobs": len(found)})

    return [
        Method(
            name="job_declare",
            summary="Let these jobs be shown as the live job file (ours, for the scheduler).",
            result=record({"jobs": COUNT}),
            params=DeclareJobs,
            call=declare,
        )
    ]
