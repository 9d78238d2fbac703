"""``agent_*``: who is there; and a stock agent's monitoring reports, authorised and not kept."""

from protocol.errors import PermissionDenied
from protocol.methods import ListAgents, Report
from protocol.permissions import GLOBAL, Permission
from server.agents import Agents
from server.auth import Auth
from server.methods.interface import Exchange, Method, json_text

_REPORTS = {
    "agent_report_dynamic_summary": ("dynamic_monitoring_summary", "DynamicMonitoringSummary"),
    "agent_report_dynamic": ("dynamic_monitoring", "DynamicMonitoring"),
    "agent_report_static": ("static_monitoring", "StaticMonitoring"),
}


def methods(*, auth: Auth, agents: Agents) -> list[Method]:
    """The methods of this namespace."""

    async def agent_list(params: ListAgents, _exchange: Exchange) -> bytes:
        if not auth.allows(params.token, [GLOBAL], [Permission("monitoring_uuid", "list")]):
            raise PermissionDenied("Permission Denied: Missing MonitoringUuid::List permission")
        return json_text(agents.states())

    reports = [_report(auth, name, area, word) for name, (area, word) in _REPORTS.items()]
    return [Method(name="agent_list", params=ListAgents, call=agent_list), *reports]


def _report(auth: Auth, name: str, area: str, word: str) -> Method:
    permission = Permission(area, "write")

    async def report(params: Report, _exchange: Exchange) -> bytes:
        if not auth.allows_somewhere(params.token, permission):
            raise PermissionDenied(f"Permission Denied: Missing {word} Write permission for this Agent")
        return b'{"status":"buffered"}'

    return Method(name=name, params=Report, call=report)
