"""``nodeget-server_*``: who this server is. No token needed."""

from importlib.metadata import version as distribution_version

from msgspec.structs import asdict

from protocol.params import NoParams
from protocol.tasks.version import Version
from server.methods.interface import Exchange, Method, json_text


def methods(*, server_uuid: str) -> list[Method]:
    """The methods of this namespace."""

    async def hello(_params: NoParams, _exchange: Exchange) -> bytes:
        return json_text("NodeGet Server Is Running!")

    async def version(_params: NoParams, _exchange: Exchange) -> bytes:
        strings = dict.fromkeys(Version.__struct_fields__, "")
        strings |= {"binary_type": "Server", "cargo_version": distribution_version("cronprobe")}
        return json_text(dict(sorted(asdict(Version(**strings)).items())))

    async def uuid(_params: NoParams, _exchange: Exchange) -> bytes:
        return json_text(server_uuid)

    return [
        Method(name="nodeget-server_hello", params=NoParams, call=hello),
        Method(name="nodeget-server_version", params=NoParams, call=version),
        Method(name="nodeget-server_uuid", params=NoParams, call=uuid),
    ]
