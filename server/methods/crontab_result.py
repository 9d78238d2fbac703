"""``crontab-result_*``: the ticks of jobs, as a stock server keeps them beside their tasks."""

from collections.abc import Sequence

from protocol.crontab import OfJobNamed, TickCondition
from protocol.errors import PermissionDenied
from protocol.methods.crontab import QueryTicks
from protocol.permissions import GLOBAL, Permission
from protocol.schemas import COUNT, FLAG, TEXT, TIME_MS, array, nullable, record
from server.auth import Auth, Token
from server.methods.interface import Exchange, Method, json_text
from server.store.interface import Store, Tick

_TICK = record(
    {
        "id": COUNT,
        "cron_id": COUNT,
        "cron_name": TEXT,
        "relative_id": nullable(COUNT),
        "run_time": TIME_MS,
        "success": FLAG,
        "message": TEXT,
    }
)


def methods(*, auth: Auth, store: Store) -> list[Method]:
    """The methods of this namespace."""

    async def query(params: QueryTicks, _exchange: Exchange) -> bytes:
        token = await auth.verify(params.token)
        _need_read(auth, token, params.query)
        return json_text([_form(tick) for tick in await store.ticks(params.query)])

    return [
        Method(
            name="crontab-result_query",
            summary="Show the ticks of jobs that match, newest first.",
            result=array(_TICK),
            params=QueryTicks,
            call=query,
        )
    ]


def _need_read(auth: Auth, token: Token, conditions: Sequence[TickCondition]) -> None:
    if auth.allows(token, [GLOBAL], [Permission("crontab_result", "read", "*")]):
        return
    names = [condition.name for condition in conditions if isinstance(condition, OfJobNamed)] or ["*"]
    for name in names:
        if not auth.allows(token, [GLOBAL], [Permission("crontab_result", "read", name)]):
            raise PermissionDenied(f"No read permission for crontab_result with cron_name '{name}'")


def _form(tick: Tick) -> dict[str, object]:
    """In the words of a stock server, which front ends know; a tick and its task have one id here."""
    failed = f"任务下发失败，Agent：[{tick.agent_uuid}]，错误：Agent {tick.agent_uuid} is not connected"
    passed = f"任务下发成功，Agent：[{tick.agent_uuid}]，relative_id：{tick.id}"
    return {
        "id": tick.id,
        "cron_id": tick.job_id,
        "cron_name": tick.job_name,
        "relative_id": tick.id if tick.was_handed_over else None,
        "run_time": tick.scheduled_ms,
        "success": tick.was_handed_over,
        "message": passed if tick.was_handed_over else failed,
    }
