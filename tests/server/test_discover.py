"""
The OpenRPC document: it is one, it describes what is served, and whoever follows it is understood.

``openrpc-1.3.2.json`` is the official meta-schema, of the package @open-rpc/meta-schema 1.14.9 (Apache-2.0).
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from jsonschema import Draft7Validator

from tests.fakes import FakeAgent
from tests.server.rig import AGENT, Rig, open_rig_in
from tests.server.test_agent_token import CALLS

META_SCHEMA = json.loads((Path(__file__).parent / "openrpc-1.3.2.json").read_text())
UNDECODABLE = -32602
CONNECTION_LOST = {"token_roll_token_secret"}
SUBSCRIPTIONS = {"task_register_task", "task_subscribe_results", "task_unregister_task", "task_unsubscribe_results"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with open_rig_in(tmp_path_factory.mktemp("served")) as rig:
        yield rig


async def document(rig: Rig) -> dict[str, Any]:
    reply = await rig.root.reply("rpc.discover")
    found: dict[str, Any] = reply["result"]
    return found


def example(schema: dict[str, Any], components: dict[str, Any]) -> Any:
    """Some value that the schema describes, with what it requires and nothing more."""
    if "$ref" in schema:
        return example(components[schema["$ref"].rpartition("/")[2]], components)
    for several in ("oneOf", "anyOf"):
        if several in schema:
            return example(schema[several][0], components)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            members = {name: schema["properties"][name] for name in schema.get("required", ())}
            return {name: example(member, components) for name, member in members.items()}
        case "array" if isinstance(schema.get("items"), list):
            return [example(item, components) for item in schema["items"]]
        case "array":
            return [example(schema["items"], components) for _ in range(schema.get("minItems", 1))]
        case "integer":
            return schema.get("minimum", 0) + 7
        case "number":
            return 1.5
        case "boolean":
            return True
        case _:
            formats = {"uuid": AGENT, "uri": "https://host.example/"}
            return formats.get(schema.get("format", ""), "text")


def parameters(method: dict[str, Any], components: dict[str, Any], token: str) -> dict[str, Any]:
    """What the document asks for, with our credential where one goes."""
    needed = {one["name"]: example(one["schema"], components) for one in method["params"] if one["required"]}
    return needed | {name: token for name in ("token", "father_token") if name in needed}


async def test_the_document_is_an_openrpc_document(rig: Rig) -> None:
    schema = {**META_SCHEMA, "definitions": {**META_SCHEMA["definitions"], "JSONSchema": {"type": "object"}}}
    found = await document(rig)
    assert list(Draft7Validator(schema).iter_errors(found)) == []
    for method in found["methods"]:
        for part in (*method["params"], method["result"]):
            Draft7Validator.check_schema(part["schema"])
    for component in found["components"]["schemas"].values():
        Draft7Validator.check_schema(component)


async def test_it_describes_what_is_served_and_nothing_else(rig: Rig) -> None:
    """The calls that an agent's token is tried with are all there are."""
    names = [method["name"] for method in (await document(rig))["methods"]]
    assert names == sorted(CALLS)
    for name in names:
        reply = await rig.root.reply(name)
        assert reply.get("error", {}).get("code") != -32601, name


async def test_every_method_is_understood_by_position_and_by_name(rig: Rig) -> None:
    found = await document(rig)
    components = found["components"]["schemas"]
    resolved = {"components": {"schemas": components}}
    async with rig.http.ws_connect(rig.url, max_msg_size=0) as ws:
        peer = FakeAgent(ws, rig.root.token, AGENT)
        for method in found["methods"]:
            named = parameters(method, components, peer.token)
            forms: list[Any] = [list(named.values())]
            if method["paramStructure"] == "either":
                forms.append(named)
            for form in forms:
                reply = await peer.ask(method["name"], form)
                if "result" in reply:
                    schema = {**method["result"]["schema"], **resolved}
                    assert list(Draft7Validator(schema).iter_errors(reply["result"])) == [], method["name"]
                else:
                    assert reply["error"]["code"] > 0, (method["name"], form, reply)


async def test_every_parameter_that_is_required_is_missed(rig: Rig) -> None:
    found = await document(rig)
    components = found["components"]["schemas"]
    async with rig.http.ws_connect(rig.url) as ws:
        peer = FakeAgent(ws, rig.root.token, AGENT)
        for method in found["methods"]:
            named = parameters(method, components, peer.token)
            if method["paramStructure"] != "either":
                continue
            for name in named:
                reply = await peer.ask(method["name"], {key: value for key, value in named.items() if key != name})
                assert reply["error"]["code"] == UNDECODABLE, (method["name"], name)


async def test_what_the_document_says_of_rows_is_true_of_rows(rig: Rig) -> None:
    found = await document(rig)
    [query] = [method for method in found["methods"] if method["name"] == "task_query"]
    async with rig.agent() as agent:
        await rig.root.call("task_create_task", AGENT, {"ping": "h"})
        await agent.upload(agent.response(await agent.task(), {"ping": 1.5}))
        await rig.root.call("task_create_task", AGENT, "ip")
    for detail in (False, True):
        rows = await rig.root.rows(detail=detail)
        assert len(rows) == 2
        schema = {**query["result"]["schema"], "components": found["components"]}
        assert list(Draft7Validator(schema).iter_errors(rows)) == []
        closed = schema["items"]["properties"].keys()
        assert all(row.keys() <= closed for row in rows)
