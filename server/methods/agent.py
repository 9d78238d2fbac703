"""``agent_*``: who is there; and a stock agent's monitoring reports, authorised and not kept."""

from collections import Counter

from protocol.errors import PermissionDenied
from protocol.methods import ListAgents, Report
from protocol.permissions import GLOBAL, Permission
from server.auth import Auth
from server.methods.interface import Exchange, Method, json_text
from server.running import RunningTasks
from server.sessions import Sessions

_REPORTS = {
    "agent_report_dynamic_summary": ("dynamic_monitoring_summary", "DynamicMonitoringSummary"),
    "agent_report_dynamic": ("dynamic_monitoring", "DynamicMonitoring"),
    "agent_report_static": ("static_monitoring", "StaticMonitoring"),
}


def methods(*, auth: Auth, sessions: Sessions, running: RunningTasks) -> list[Method]:
    """The methods of this namespace."""

    async def agent_list(params: ListAgents, _exchange: Exchange) -> bytes:
        if not auth.allows(params.token, [GLOBAL], [Permission("monitoring_uuid", "list")]):
            raise PermissionDenied("Permission Denied: Missing MonitoringUuid::List permission")
        tasks = Counter(task.series.agent_uuid for task in running)
        return json_text(
            [
                {
                    "name": agent.name,
                    "uuid": uuid,
                    "connected": sessions.get(uuid) is not None,
                    "version": agent.version,
                    "last_seen": agent.last_seen,
                    "clock_skew": agent.clock_skew,
                    "running": tasks[uuid],
                }
                for uuid, agent in sessions.known()
            ]
        )

    reports = [_report(auth, name, area, word) for name, (area, word) in _REPORTS.items()]
    return [Method(name="agent_list", params=ListAgents, call=agent_list), *reports]


def _report(auth: Auth, name: str, area: str, word: str) -> Method:
    permission = Permission(area, "write")

    async def report(params: Report, _exchange: Exchange) -> bytes:
        if not auth.allows_somewhere(params.token, permission):
            raise PermissionDenied(f"Permission Denied: Missing {word} Write permission for this Agent")
        return b'{"status":"buffered"}'

    return Method(name=name, params=Report, call=report)
