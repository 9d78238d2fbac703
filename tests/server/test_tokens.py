"""Tokens through their lives: made, shown, changed, revoked; and what becomes of what they had open."""

import asyncio
import time
from typing import Any

import pytest

from tests.fakes import Caller
from tests.server.rig import AGENT, OTHER, ROOT, OpenRig, Rig

PING = {"ping": "host.example"}
LISTEN = [{"scopes": [{"agent_uuid": AGENT}], "permissions": [{"task": "listen"}, {"task": {"write": "*"}}]}]
READ = [{"scopes": ["global"], "permissions": [{"task": {"read": "*"}}]}]
UNKNOWN = {"code": 102, "message": "Permission denied: Invalid credentials"}
POLICY_VIOLATION = 1008


async def make(rig: Rig, limits: object = READ, **members: object) -> Caller:
    made = await rig.root.call("token_create", {"token_limit": limits, **members})
    return rig.root.as_(f"{made['key']}:{made['secret']}")


async def with_password(rig: Rig, limits: object = READ) -> Caller:
    await make(rig, limits, username="ops", password="a long|password")
    return rig.root.as_("ops|a long|password")


async def test_a_password_proves_its_username(rig: Rig) -> None:
    ops = await with_password(rig)
    assert (await ops.call("token_get"))["username"] == "ops"
    assert await ops.rows() == []
    for wrong in ("ops|", "ops|a long", "root|x", "nobody|a long|password", "|", "ops|A long|password"):
        assert await rig.root.as_(wrong).refusal("token_get") == UNKNOWN


async def test_neither_half_of_a_token_opens_the_other(rig: Rig) -> None:
    ops = await with_password(rig)
    key = (await ops.call("token_get"))["token_key"]
    assert await rig.root.as_(f"{key}|a long|password").refusal("token_get") == UNKNOWN
    assert await rig.root.as_("ops:a long|password").refusal("token_get") == UNKNOWN


async def test_a_password_is_stored_stretched_and_salted(rig: Rig) -> None:
    await with_password(rig)
    await make(rig, username="other", password="a long|password")
    with rig.database() as database:
        hashes = [row[0] for row in database.execute("SELECT password_hash FROM token WHERE password_hash NOT NULL")]
    assert len(set(hashes)) == 2
    assert all(text.startswith("scrypt$16384$8$5$") for text in hashes)


async def test_passwords_and_secrets_outlive_a_restart(open_rig: OpenRig) -> None:
    async with open_rig() as rig:
        ops = await with_password(rig)
    async with open_rig() as rig:
        assert (await rig.root.as_(ops.token).call("token_get"))["username"] == "ops"


@pytest.mark.parametrize(
    ("members", "code", "message"),
    [
        ({"username": "ops"}, 101, "Parse error: Username and Password must be both provided or both absent"),
        ({"password": "secret"}, 101, "Parse error: Username and Password must be both provided or both absent"),
        ({"username": "root", "password": "secret"}, 103, "Database error: UNIQUE constraint failed"),
        ({"username": "a|b", "password": "secret"}, 108, "Invalid input: username must have neither ':' nor '|'"),
        ({"username": "", "password": "secret"}, 108, "Invalid input: username must have 1 to 128 printable"),
        ({"username": "ops", "password": "short"}, 108, "Invalid input: password must be at least 6 characters long"),
        ({"username": "ops", "password": "a:longer"}, 108, "Invalid input: password must not have ':'"),
    ],
)
async def test_a_username_that_could_not_be_used_is_refused(
    rig: Rig, members: dict[str, str], code: int, message: str
) -> None:
    refused = await rig.root.refusal("token_create", {"token_limit": [], **members})
    assert refused["code"] == code
    assert refused["message"].startswith(message)


async def test_two_tokens_cannot_have_one_username(rig: Rig) -> None:
    creation = {"token_limit": [], "username": "ops", "password": "secret"}
    replies = await asyncio.gather(*(rig.root.reply("token_create", ROOT, creation) for _ in range(3)))
    assert sorted(reply.get("error", {}).get("code", 0) for reply in replies) == [0, 103, 103]


async def test_an_edited_token_has_its_new_limits_at_once(rig: Rig) -> None:
    caller = await make(rig, [])
    key = caller.token.partition(":")[0]
    assert (await caller.refusal("task_query", {"condition": []}))["code"] == 102
    assert await rig.root.call("token_edit", key, READ) == {"id": 2, "success": True, "token_key": key}
    assert await caller.rows() == []
    assert (await caller.call("token_get"))["token_limit"] == READ


async def test_a_rolled_token_has_a_new_secret_and_the_old_one_is_worth_nothing(rig: Rig) -> None:
    caller = await make(rig)
    await caller.rows()
    rolled = await rig.root.call("token_roll_token_secret", caller.token)
    assert rolled["key"] == caller.token.partition(":")[0]
    assert len(rolled["secret"]) == 32
    assert await caller.refusal("token_get") == UNKNOWN
    assert await rig.root.as_(f"{rolled['key']}:{rolled['secret']}").rows() == []


async def test_a_rolled_root_token_is_kept_where_callers_look_for_it(rig: Rig) -> None:
    rolled = await rig.root.call("token_roll_token_secret", "root")
    assert (rig.state_dir / "root-token").read_text() == f"{rolled['key']}:{rolled['secret']}\n"
    assert await rig.root.refusal("token_list_all_tokens") == UNKNOWN


async def test_a_changed_password_is_the_only_one(rig: Rig) -> None:
    ops = await with_password(rig)
    await ops.rows()
    done = {"success": True, "message": "Password changed successfully"}
    assert await rig.root.call("token_change_password", "ops|whatever", "another one") == done
    assert await ops.refusal("token_get") == UNKNOWN
    assert await rig.root.as_("ops|another one").rows() == []


async def test_the_root_token_may_have_a_password(rig: Rig) -> None:
    await rig.root.call("token_change_password", "root", "secret of root")
    assert (await rig.root.as_("root|secret of root").call("token_list_all_tokens"))["tokens"][0]["username"] == "root"


@pytest.mark.parametrize(
    ("method", "params", "code", "message"),
    [
        ("token_change_password", ["root", ""], 108, "Invalid input: New password cannot be empty"),
        (
            "token_change_password",
            ["root", "12345"],
            108,
            "Invalid input: New password must be at least 6 characters long",
        ),
        (
            "token_change_password",
            ["nobody:x", "123456"],
            105,
            "Not found in database: Target token not found by key/username: nobody",
        ),
        (
            "token_roll_token_secret",
            [" "],
            105,
            "Not found in database: Target token not found by key/username:  ",
        ),
        ("token_edit", ["nobody", []], 105, "Not found in database: Token not found by key/username: nobody"),
        ("token_edit", ["root", []], 108, "Invalid input: the root token has no limits"),
    ],
)
async def test_a_change_that_cannot_be_made_says_why(
    rig: Rig, method: str, params: list[Any], code: int, message: str
) -> None:
    assert await rig.root.refusal(method, *params) == {"code": code, "message": message}


async def test_a_token_without_a_username_takes_no_password(rig: Rig) -> None:
    caller = await make(rig)
    assert (await rig.root.refusal("token_change_password", caller.token, "123456"))["code"] == 108


@pytest.mark.parametrize("method", ["token_change_password", "token_roll_token_secret"])
async def test_some_methods_have_their_own_words_for_a_malformed_credential(rig: Rig, method: str) -> None:
    assert (await rig.root.as_("nonsense").refusal(method, "root", "123456"))["message"] == (
        "Parse error: Invalid token format: must be 'key:secret' or 'username|password'"
    )
    refused = await rig.root.refusal("token_get", "nonsense")
    assert refused["message"] == (
        "Parse error: Failed to parse supertoken: Invalid token format: must be 'key:secret' or 'username|password'"
    )


async def test_an_unknown_permission_in_the_store_is_dropped_alone(open_rig: OpenRig) -> None:
    async with open_rig() as rig:
        caller = await make(rig)
    with rig.database() as database:
        stored = '[{"scopes":["global"],"permissions":[{"from":"the future"},{"task":{"read":"*"}}]}]'
        database.execute("UPDATE token SET limits = ? WHERE id = 2", [stored])
    async with open_rig() as rig:
        assert await rig.root.as_(caller.token).rows() == []


@pytest.mark.parametrize("method", ["token_delete", "token_roll_token_secret", "token_edit"])
async def test_a_revoked_token_ends_the_registration_it_opened(rig: Rig, method: str) -> None:
    token = (await make(rig, LISTEN)).token
    key = token.partition(":")[0]
    async with rig.agent(token=token) as agent, rig.agent(OTHER) as other:
        await rig.root.call(method, *([key, READ] if method == "token_edit" else [key]))
        assert await agent.close_code() == POLICY_VIOLATION
        assert (await rig.root.refusal("task_create_task", AGENT, PING))["code"] == 104
        assert (await other.ask("nodeget-server_hello", []))["result"]


async def test_a_token_that_still_permits_it_keeps_its_registration(rig: Rig) -> None:
    token = (await make(rig, LISTEN)).token
    async with rig.agent(token=token) as agent:
        await rig.root.call("token_edit", token.partition(":")[0], [*LISTEN, *READ])
        await make(rig)
        await rig.root.call("task_create_task", AGENT, PING)
        assert (await agent.task())["task_event_type"] == PING


async def test_a_registration_ends_with_its_tokens_window(rig: Rig) -> None:
    token = (await make(rig, LISTEN, timestamp_to=time.time_ns() // 1_000_000 + 1_500)).token
    async with rig.agent(token=token) as agent:
        assert await agent.close_code() == POLICY_VIOLATION
        reply = await rig.root.refusal("task_create_task", AGENT, PING)
        assert reply["message"] == f"Unable to connect agent: Error sending task event: Agent {AGENT} is not connected"


async def test_agents_are_listed_to_those_who_may_know_of_them(rig: Rig) -> None:
    async with rig.agent(), rig.agent(OTHER):
        both = sorted([AGENT, OTHER])
        assert await rig.root.call("agent-uuid_list_all") == both
        assert await rig.root.call("nodeget-server_list_all_agent_uuid") == {"uuids": both}
        listing = {"permissions": [{"node_get": "list_all_agent_uuid"}]}
        everywhere = await make(rig, [{"scopes": ["global"], **listing}])
        both_but_useless = await make(rig, [{"scopes": [{"agent_uuid": AGENT}, {"agent_uuid": OTHER}], **listing}])
        useful = await make(rig, [{"scopes": [{"agent_uuid": AGENT}, {"agent_uuid": OTHER}], **listing}, *LISTEN])
        found = [await c.call("nodeget-server_list_all_agent_uuid") for c in (everywhere, both_but_useless, useful)]
        assert found == [{"uuids": both}, {"uuids": []}, {"uuids": [AGENT]}]
        nothing = await make(rig)
        assert await nothing.refusal("nodeget-server_list_all_agent_uuid") == {
            "code": 102,
            "message": "Permission denied: Permission Denied: Insufficient NodeGet ListAllAgentUuid permissions",
        }
        expired, early = await make(rig, READ, timestamp_to=1), await make(rig, READ, timestamp_from=4_000_000_000_000)
        words = [(await c.refusal("nodeget-server_list_all_agent_uuid"))["message"] for c in (expired, early)]
        assert words == ["Permission denied: Token has expired", "Permission denied: Token is not yet valid"]
