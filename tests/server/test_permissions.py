"""Who may do what, and with which words everyone else is refused."""

import json
import time
from typing import Any

import pytest

from tests.fakes import Caller
from tests.server.rig import AGENT, OTHER, ROOT, OpenRig, Rig, new_task

PING = {"ping": "host.example"}
RESPONSE = {"task_id": 1, "agent_uuid": AGENT, "task_token": "t", "timestamp": 1, "success": True}
QUERY: dict[str, Any] = {"condition": []}
MALFORMED = "Parse error: Failed to parse token: Invalid token format: must be 'key:secret' or 'username|password'"
UNKNOWN = "Permission denied: Invalid credentials"
WITH_DATA = ("task_query", "task_query_task", "task_delete", "task_delete_task")

# method, what follows the token, what a caller without permission hears
CALLS = [
    ("task_create_task", [AGENT, PING], "Missing Task Create (ping) permission for this Agent"),
    ("task_create_task", [AGENT, "ip"], "Missing Task Create (ip) permission for this Agent"),
    ("task_create_task_blocking", [AGENT, PING, 5], "Missing Task Create or Read (ping) permission for this Agent"),
    ("task_upload_task_result", [RESPONSE], "Missing Task Write permission for this Agent"),
    ("task_query", [QUERY], "Insufficient permissions to read requested task types"),
    ("task_query_task", [QUERY], "Insufficient permissions to read requested task types"),
    ("task_delete", [[]], "Insufficient permissions to delete requested task types"),
    ("task_delete_task", [[]], "Insufficient permissions to delete requested task types"),
    ("agent_list", [], "Missing MonitoringUuid::List permission"),
    ("agent_report_dynamic_summary", [{}], "Missing DynamicMonitoringSummary Write permission for this Agent"),
    ("agent_report_dynamic", [{}], "Missing DynamicMonitoring Write permission for this Agent"),
    ("agent_report_static", [{}], "Missing StaticMonitoring Write permission for this Agent"),
    ("token_create", [{"token_limit": []}], "Only Super Token can create new tokens"),
]

ids = [f"{method}-{place}" for place, (method, _, _) in enumerate(CALLS)]
every_call = pytest.mark.parametrize(("method", "params", "denied"), CALLS, ids=ids)


def error(method: str, code: int, message: str) -> dict[str, Any]:
    """The error as the method writes it: two methods repeat it in ``data``."""
    if method not in WITH_DATA:
        return {"code": code, "message": message}
    return {"code": code, "message": message, "data": f'{{"error_id":{code},"error_message":"{message}"}}'}


def limits(*permissions: object, scope: object = "global") -> list[object]:
    return [{"scopes": [scope], "permissions": permissions}]


async def reader(rig: Rig, **window: int) -> Caller:
    return rig.root.as_(await rig.root.make_token(limits({"task": {"read": "*"}}), **window))


@every_call
async def test_a_token_without_permission_is_denied(rig: Rig, method: str, params: list[object], denied: str) -> None:
    nobody = rig.root.as_(await rig.root.make_token([]))
    message = f"Permission denied: Permission Denied: {denied}"
    assert await nobody.refusal(method, *params) == error(method, 102, message)


@every_call
async def test_a_malformed_token_is_a_parse_error(rig: Rig, method: str, params: list[object], denied: str) -> None:
    assert await rig.root.as_("nonsense").refusal(method, *params) == error(method, 101, MALFORMED)


@every_call
async def test_unknown_credentials_are_denied(rig: Rig, method: str, params: list[object], denied: str) -> None:
    doubled = "Permission denied: " + UNKNOWN if method == "task_upload_task_result" else UNKNOWN
    key = ROOT.partition(":")[0]
    secret = ROOT.partition(":")[2]
    for wrong in ("nobody:secret", f"{key}:wrong", f"{key}|{secret}", f"root:{secret}", "root|", f"{key}:{secret} "):
        assert await rig.root.as_(wrong).refusal(method, *params) == error(method, 102, doubled), wrong


@pytest.mark.parametrize(("opens_s", "closes_s", "works"), [(-60, 60, True), (-60, -30, False), (30, 60, False)])
async def test_a_token_works_in_its_time_window_only(rig: Rig, opens_s: int, closes_s: int, works: bool) -> None:
    now = time.time_ns() // 1_000_000
    caller = await reader(rig, timestamp_from=now + opens_s * 1_000, timestamp_to=now + closes_s * 1_000)
    reply = await caller.reply("task_query", caller.token, QUERY)
    assert ("result" in reply) is works
    if not works:
        denied = "Permission denied: Permission Denied: Insufficient permissions to read requested task types"
        assert reply["error"]["message"] == denied


async def test_a_deleted_token_stops_working_at_once(rig: Rig) -> None:
    caller = await reader(rig)
    assert await caller.rows() == []
    await rig.root.call("token_delete", caller.token.partition(":")[0])
    assert (await caller.refusal("task_query", QUERY))["message"] == UNKNOWN


async def test_a_token_works_after_a_restart(open_rig: OpenRig) -> None:
    async with open_rig() as rig:
        caller = await reader(rig)
    async with open_rig() as rig:
        assert await rig.root.as_(caller.token).rows() == []


async def test_a_reader_reads_and_does_nothing_else(rig: Rig) -> None:
    caller = await reader(rig)
    assert await caller.rows() == []
    for method, params, _ in CALLS:
        if "query" not in method:
            assert (await caller.refusal(method, *params))["code"] == 102


async def test_a_reader_of_one_agent_must_name_it(rig: Rig) -> None:
    scope = {"agent_uuid": AGENT}
    caller = rig.root.as_(await rig.root.make_token(limits({"task": {"read": "*"}}, scope=scope)))
    assert await caller.rows({"uuid": AGENT}) == []
    for conditions in ([], [{"task_id": 1}], [{"uuid": OTHER}], [{"uuid": AGENT}, {"uuid": OTHER}]):
        assert (await caller.refusal("task_query", {"condition": conditions}))["code"] == 102


async def test_reading_without_a_type_needs_eleven_types_and_self_update_is_not_among_them(rig: Rig) -> None:
    latencies = ["ping", "tcp_ping", "http_ping"]
    probes = ["http_request", "ip", "version", "dns"]
    names = [*latencies, *probes, "web_shell", "execute", "read_config", "edit_config"]
    eleven = [{"task": {"read": name}} for name in names]
    assert await rig.root.as_(await rig.root.make_token(limits(*eleven))).rows() == []
    ten = rig.root.as_(await rig.root.make_token(limits(*eleven[1:])))
    assert (await ten.refusal("task_query", QUERY))["code"] == 102
    assert await ten.rows({"type": "tcp_ping"}) == []
    assert (await ten.refusal("task_query", {"condition": [{"type": "self_update"}]}))["code"] == 102


async def test_an_agent_writes_for_itself_only(rig: Rig) -> None:
    token = await rig.root.make_token(limits({"task": "listen"}, {"task": {"write": "*"}}, scope={"agent_uuid": AGENT}))
    async with rig.agent(token=token) as agent, rig.agent(OTHER):
        assert (await agent.ask("task_register_task", [token, OTHER]))["error"] == {
            "code": 102,
            "message": "Permission Denied: Missing Task Listen permission for this Agent",
        }
        await rig.root.call("task_create_task", AGENT, PING)
        mine = agent.response(await agent.task(), {"ping": 1.5})
        assert (await agent.upload({**mine, "agent_uuid": OTHER}))["error"] == {
            "code": 102,
            "message": "Permission denied: Permission Denied: Missing Task Write permission for this Agent",
        }
        assert (await agent.upload(mine))["result"] == {"id": mine["task_id"]}


async def test_an_agent_writes_the_types_it_may(rig: Rig) -> None:
    token = await rig.root.make_token(limits({"task": "listen"}, {"task": {"write": "tcp_*"}}))
    async with rig.agent(token=token) as agent:
        await rig.root.call("task_create_task", AGENT, PING)
        task = await agent.task()
        refused = await agent.upload(agent.response(task, {"ping": 1.5}))
        assert refused["error"] == {
            "code": 102,
            "message": "Permission denied: Permission Denied: Missing Task Write (ping) permission for this Agent",
        }
        assert [row["success"] for row in await rig.root.rows()] == [None]


@pytest.mark.parametrize(
    ("token", "code", "message"),
    [("nonsense", 101, "Token Parse Error"), ("no:body", 102, UNKNOWN), ("root:x", 102, UNKNOWN)],
)
async def test_a_registration_is_refused_in_its_own_words(rig: Rig, token: str, code: int, message: str) -> None:
    async with rig.agent() as agent:
        reply = await agent.ask("task_register_task", [token, AGENT])
    assert reply["error"] == {"code": code, "message": message}


async def test_a_registration_with_an_expired_token_lacks_the_permission(rig: Rig) -> None:
    token = await rig.root.make_token(limits({"task": "listen"}), timestamp_to=1)
    async with rig.agent() as agent:
        reply = await agent.ask("task_register_task", [token, AGENT])
    assert reply["error"]["message"] == "Permission Denied: Missing Task Listen permission for this Agent"


async def test_subscriptions_are_an_internal_error_over_http(rig: Rig) -> None:
    for method in ("task_register_task", "task_unregister_task"):
        assert await rig.root.refusal(method, AGENT) == {"code": -32603, "message": "Internal error"}


async def test_parameters_are_decoded_before_the_token_is_looked_at(rig: Rig) -> None:
    anonymous = rig.root.as_("nonsense")
    assert (await anonymous.refusal("task_create_task", AGENT, {"nope": 1}))["code"] == -32602
    blank = {"execute": {"cmd": " ", "args": []}}
    assert await anonymous.refusal("task_create_task", AGENT, blank) == {
        "code": 108,
        "message": "Invalid input: Execute cmd cannot be empty",
    }


async def test_a_batch_is_permitted_item_by_item(rig: Rig) -> None:
    scope = {"agent_uuid": AGENT}
    caller = rig.root.as_(await rig.root.make_token(limits({"task": {"create": "ping"}}, scope=scope)))
    allowed, other_type, other_agent = await caller.call(
        "task_create_batch",
        [new_task(), new_task(task_type={"tcp_ping": "h:1"}), new_task(target_uuid=OTHER)],
    )
    denied = "Permission denied: Permission Denied: Missing Task Create (%s) permission for this Agent"
    assert allowed.keys() == {"id"}
    assert other_type == {"code": 102, "error": denied % "tcp_ping"}
    assert other_agent == {"code": 102, "error": denied % "ping"}


async def test_tokens_are_for_the_root_token(rig: Rig) -> None:
    caller = await reader(rig)
    key = caller.token.partition(":")[0]
    words = {
        ("token_list_all_tokens",): "Only SuperToken can list all tokens",
        ("token_delete", key): "Only SuperToken can delete tokens",
        ("token_get", caller.token): "Only SuperToken can query by username/token_key in token_get",
    }
    for (method, *params), message in words.items():
        expected = {"code": 102, "message": f"Permission denied: {message}"}
        assert await caller.refusal(method, *params) == expected


async def test_a_token_shows_its_record_but_no_hash(rig: Rig) -> None:
    caller = await reader(rig, timestamp_to=4_000_000_000_000)
    record = await caller.call("token_get")
    assert list(record) == ["version", "token_key", "timestamp_from", "timestamp_to", "token_limit", "username"]
    assert record == {
        "version": 1,
        "token_key": caller.token.partition(":")[0],
        "timestamp_from": None,
        "timestamp_to": 4_000_000_000_000,
        "token_limit": [{"scopes": ["global"], "permissions": [{"task": {"read": "*"}}]}],
        "username": None,
    }
    listed = (await rig.root.call("token_list_all_tokens"))["tokens"]
    assert record in listed
    assert [token["username"] for token in listed] == ["root", None]


async def test_the_root_token_cannot_be_deleted_and_unknown_ones_are_not_found(rig: Rig) -> None:
    refused = {target: await rig.root.refusal("token_delete", target) for target in ("root", "nobody", " ")}
    assert refused == {
        "root": {"code": 102, "message": "Permission denied: SuperToken cannot be deleted"},
        "nobody": {"code": 105, "message": "Not found in database: Token not found by key/username: nobody"},
        " ": {"code": 108, "message": "Invalid input: target_token cannot be empty"},
    }


@pytest.mark.parametrize("text", ['{ "ping" : "h" }', '{\n"ping":"h"}', '{"ping":"h"}'])
async def test_blanks_in_a_task_of_a_batch_do_not_change_what_is_permitted(rig: Rig, text: str) -> None:
    token = await rig.root.make_token(limits({"task": {"create": "ping"}}))
    task = json.dumps(new_task(task_type="TASK")).replace('"TASK"', text)
    reply = await rig.root.post(
        f'{{"jsonrpc":"2.0","id":1,"method":"task_create_batch","params":["{token}",[{task}]]}}'
    )
    assert json.loads(reply)["result"][0].keys() == {"id"}


@pytest.mark.parametrize("text", ['{"execute":{"cmd":"x","args":[]}}', '{"\\u0065xecute":{"cmd":"x","args":[]}}'])
async def test_a_batch_cannot_smuggle_another_type(rig: Rig, text: str) -> None:
    token = await rig.root.make_token(limits({"task": {"create": "ping"}}))
    task = json.dumps(new_task(task_type="TASK")).replace('"TASK"', text)
    reply = await rig.root.post(
        f'{{"jsonrpc":"2.0","id":1,"method":"task_create_batch","params":["{token}",[{task}]]}}'
    )
    assert json.loads(reply)["result"][0]["code"] == 102
