"""``crontab_*``: the live job file, to be read only; what would change it is refused."""

from collections.abc import Mapping

from protocol.crontab import CRON_TYPE_SCHEMA, cron_type_form
from protocol.errors import InvalidInput
from protocol.methods.crontab import DeleteJob, EnableJob, GetJobs, WriteJob
from protocol.schemas import ANYTHING, COUNT, FLAG, TEXT, TIME_MS, array, nullable, record
from server.auth import Auth
from server.jobs import Job, Jobs
from server.methods.interface import Exchange, Method, json_text
from server.store.interface import Store

_REFUSED: Mapping[str, type[WriteJob | EnableJob | DeleteJob]] = {
    "crontab_create": WriteJob,
    "crontab_edit": WriteJob,
    "crontab_set_enable": EnableJob,
    "crontab_delete": DeleteJob,
}

_JOB = record(
    {
        "id": COUNT,
        "name": TEXT,
        "enable": FLAG,
        "cron_expression": TEXT,
        "cron_type": CRON_TYPE_SCHEMA,
        "last_run_time": nullable(TIME_MS),
    }
)


def methods(*, auth: Auth, jobs: Jobs, store: Store) -> list[Method]:
    """The methods of this namespace."""

    async def get(params: GetJobs, _exchange: Exchange) -> bytes:
        token = await auth.verify(params.token)
        shown = jobs.visible(auth, token)
        last_run_ms = await store.last_runs([job.declared.name for job in shown])
        return json_text([_form(job, last_run_ms.get(job.declared.name)) for job in shown])

    async def refuse(_params: object, _exchange: Exchange) -> bytes:
        raise InvalidInput("jobs are declared in the job file")

    return [
        Method(
            name="crontab_get",
            summary="Show the jobs of the live job file.",
            result=array(_JOB),
            params=GetJobs,
            call=get,
        ),
        *(
            Method(
                name=name,
                summary="Refused: jobs are declared in the job file.",
                result=ANYTHING,
                params=params,
                call=refuse,
            )
            for name, params in _REFUSED.items()
        ),
    ]


def _form(job: Job, last_run_ms: int | None) -> dict[str, object]:
    return {
        "id": job.id,
        "name": job.declared.name,
        "enable": job.declared.enabled,
        "cron_expression": job.declared.schedule,
        "cron_type": cron_type_form(job.cron),
        "last_run_time": last_run_ms,
    }
