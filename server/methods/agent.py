"""``agent_*``: who is there; and a stock agent's monitoring reports, authorised and not kept."""

from protocol.errors import PermissionDenied
from protocol.methods.agent import ListAgents, Report, ReportDynamic, ReportStatic, ReportSummary
from protocol.permissions import GLOBAL, Permission
from protocol.schemas import array, record
from server.agents import Agents
from server.auth import Auth
from server.methods.interface import Exchange, Method, json_text
from server.metrics.agents import AgentState

_REPORTS: dict[str, tuple[type[Report], str, str]] = {
    "agent_report_dynamic_summary": (ReportSummary, "dynamic_monitoring_summary", "DynamicMonitoringSummary"),
    "agent_report_dynamic": (ReportDynamic, "dynamic_monitoring", "DynamicMonitoring"),
    "agent_report_static": (ReportStatic, "static_monitoring", "StaticMonitoring"),
}


def methods(*, auth: Auth, agents: Agents) -> list[Method]:
    """The methods of this namespace."""

    async def agent_list(params: ListAgents, _exchange: Exchange) -> bytes:
        if not auth.allows(await auth.verify(params.token), [GLOBAL], [Permission("monitoring_uuid", "list")]):
            raise PermissionDenied("Permission Denied: Missing MonitoringUuid::List permission")
        return json_text(agents.states())

    reports = [_report(auth, name, form, area, word) for name, (form, area, word) in _REPORTS.items()]
    listing = Method(
        name="agent_list",
        summary="List all agents, connected or not (ours).",
        params=ListAgents,
        result=array(AgentState),
        call=agent_list,
    )
    return [listing, *reports]


def _report(auth: Auth, name: str, form: type[Report], area: str, word: str) -> Method:
    permission = Permission(area, "write")

    async def report(params: Report, _exchange: Exchange) -> bytes:
        if not auth.allows_somewhere(await auth.verify(params.token), permission):
            raise PermissionDenied(f"Permission Denied: Missing {word} Write permission for this Agent")
        return b'{"status":"buffered"}'

    return Method(
        name=name,
        summary="Take a monitoring report, which is not kept.",
        params=form,
        result=record({"status": {"const": "buffered"}}),
        call=report,
    )
