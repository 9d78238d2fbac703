"""``rpc.*``: what this server serves, as an OpenRPC document made from the table that dispatches."""

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from protocol.params import NoParams, parameters_of
from protocol.schemas import Schema, record, resolve
from server.methods.interface import Exchange, Method, json_text

_OPENRPC = "1.3.2"
_ANY_DOCUMENT = record({"openrpc": {"type": "string"}, "info": {"type": "object"}, "methods": {"type": "array"}})


def methods(others: Iterable[Method]) -> list[Method]:
    """The methods of this namespace; the document describes them and ``others``."""

    async def discover(_params: NoParams, _exchange: Exchange) -> bytes:
        return text

    discovery = Method(
        name="rpc.discover",
        summary="Describe every method of this server (OpenRPC).",
        params=NoParams,
        result=_ANY_DOCUMENT,
        call=discover,
    )
    text = json_text(document([*others, discovery]))
    return [discovery]


def document(methods: Iterable[Method]) -> dict[str, Schema]:
    """The OpenRPC document of the methods, by name."""
    described, components = resolve([_described(method) for method in sorted(methods, key=lambda one: one.name)])
    about = "JSON-RPC 2.0 over HTTP POST and WebSocket, on any path. Subscriptions need a WebSocket."
    return {
        "openrpc": _OPENRPC,
        "info": {"title": "cronprobe", "version": version("cronprobe"), "description": about},
        "methods": described,
        "components": {"schemas": components},
    }


def _described(method: Method) -> dict[str, Any]:
    """Parameters go by position or by name; those of methods that read an array of their own by position only."""
    return {
        "name": method.name,
        "summary": method.summary,
        "paramStructure": "either" if method.read is None else "by-position",
        "params": [
            {"name": parameter.name, "required": not parameter.optional, "schema": parameter.schema}
            for parameter in parameters_of(method.params)
        ],
        "result": {"name": "result", "schema": method.result},
    }
