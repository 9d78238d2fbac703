"""``nodeget-server_*``: who this server is, for which no token is needed, and which agents a token may know of."""

from collections.abc import Callable, Iterable
from importlib.metadata import version as distribution_version

from msgspec.structs import asdict

from protocol.errors import PermissionDenied
from protocol.methods.agent import ListAgents
from protocol.params import NoParams
from protocol.permissions import GLOBAL, Limit, Permission, Scope
from protocol.schemas import TEXT, UUID, array, record
from protocol.tasks.version import Version
from server.agents import Agents
from server.auth import Auth
from server.methods.interface import Exchange, Method, json_text

_LISTING = {Permission("monitoring_uuid", "list"), Permission("node_get", "list_all_agent_uuid")}


def methods(*, server_uuid: str, auth: Auth, agents: Agents) -> list[Method]:
    """The methods of this namespace."""

    async def hello(_params: NoParams, _exchange: Exchange) -> bytes:
        return json_text("NodeGet Server Is Running!")

    async def version(_params: NoParams, _exchange: Exchange) -> bytes:
        strings = dict.fromkeys(Version.__struct_fields__, "")
        strings |= {"binary_type": "Server", "cargo_version": distribution_version("cronprobe")}
        return json_text(dict(sorted(asdict(Version(**strings)).items())))

    async def uuid(_params: NoParams, _exchange: Exchange) -> bytes:
        return json_text(server_uuid)

    async def list_all_agent_uuid(params: ListAgents, _exchange: Exchange) -> bytes:
        token = await auth.verify(params.token)
        auth.need_window(token)
        listed = {GLOBAL} if token.is_root else _scopes(token.limits, lambda permission: permission in _LISTING)
        if not listed:
            raise PermissionDenied("Permission Denied: Insufficient NodeGet ListAllAgentUuid permissions")
        if GLOBAL not in listed:  # then only those on which it may do something else besides
            listed &= _scopes(token.limits, lambda permission: permission not in _LISTING)
        uuids = [uuid for uuid in agents.uuids() if not listed.isdisjoint((GLOBAL, Scope("agent_uuid", uuid)))]
        return json_text({"uuids": uuids})

    return [
        Method(
            name="nodeget-server_hello",
            summary="Say that the server is there.",
            result=TEXT,
            params=NoParams,
            call=hello,
        ),
        Method(
            name="nodeget-server_version",
            summary="Say what the server was built from.",
            result=Version,
            params=NoParams,
            call=version,
        ),
        Method(
            name="nodeget-server_uuid", summary="Say which server this is.", result=UUID, params=NoParams, call=uuid
        ),
        Method(
            name="nodeget-server_list_all_agent_uuid",
            summary="List the UUIDs of the agents that the token may know of.",
            result=record({"uuids": array(UUID)}),
            params=ListAgents,
            call=list_all_agent_uuid,
        ),
    ]


def _scopes(limits: Iterable[Limit], wanted: Callable[[Permission], bool]) -> set[Scope]:
    """Every scope of the limits that have a permission which is wanted."""
    return {scope for limit in limits if any(map(wanted, limit.permissions)) for scope in limit.scopes}
