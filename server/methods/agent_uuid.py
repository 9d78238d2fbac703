"""``agent-uuid_*``: the UUIDs of all agents that registered or have a task."""

from protocol.errors import PermissionDenied
from protocol.methods.agent import ListAgents
from protocol.permissions import GLOBAL, Permission
from protocol.schemas import UUID, array
from server.agents import Agents
from server.auth import Auth
from server.methods.interface import Exchange, Method, json_text


def methods(*, auth: Auth, agents: Agents) -> list[Method]:
    """The methods of this namespace."""

    async def list_all(params: ListAgents, _exchange: Exchange) -> bytes:
        if not auth.allows(await auth.verify(params.token), [GLOBAL], [Permission("monitoring_uuid", "list")]):
            raise PermissionDenied("Permission Denied: Missing MonitoringUuid::List permission")
        return json_text(agents.uuids())

    return [
        Method(
            name="agent-uuid_list_all",
            summary="List the UUIDs of all agents.",
            result=array(UUID),
            params=ListAgents,
            call=list_all,
        )
    ]
