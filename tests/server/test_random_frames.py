"""Frames that nobody would send: each gets an error of the protocol or silence, never a fault of ours."""

import json
from random import Random
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.fakes import JSON
from tests.server.rig import AGENT, ROOT, Rig, new_task

FRAMES = 600
INTERNAL = -32603
METHODS = (
    "task_create_task",
    "task_create_batch",
    "task_query",
    "task_delete",
    "task_upload_task_result",
    "token_create",
    "token_get",
    "token_delete",
    "token_list_all_tokens",
    "agent_list",
    "agent_report_static",
    "nodeget-server_uuid",
    "nope",
)
NUMBERS = (0, -1, 2**63, 2**64, 2**70, 1.5, 1e308, -(2**63), 10**400)
STRINGS = ("", AGENT, "ping", "\x00", "😀", "a" * 1000, "'; DROP TABLE task;--", "x:y", ROOT, "*")
KEYS = ("ping", "execute", "http_request", "ip", "cmd", "args", "url", "limit", "last", "task_id", "uuid", "condition")


def value(random: Random, depth: int = 0) -> Any:
    """Any JSON, with a taste for what the protocol knows."""
    if depth < 4 and random.random() < 0.5:
        values = [value(random, depth + 1) for _ in range(random.randrange(4))]
        return values if random.random() < 0.5 else {random.choice(KEYS): found for found in values}
    if random.random() < 0.1:
        return {**new_task(), random.choice(list(new_task())): value(random, 4)}
    return random.choice((random.choice(NUMBERS), random.choice(STRINGS), None, True))


def call(random: Random) -> dict[str, Any]:
    """A call of a known method with parameters that are nearly right."""
    named = {name: value(random) for name in ("token", "target_uuid", "task_type", "conditions", "tasks")}
    positional = [ROOT, *(value(random) for _ in range(random.randrange(4)))]
    return {
        "jsonrpc": random.choice(["2.0"] * 9 + ["1.0"]),
        "id": random.choice([1, "a", None, 1.0, -1, 2**64]),
        "method": random.choice(METHODS),
        "params": random.choice([positional, {**named, "token": ROOT}, value(random)]),
    }


def frame(random: Random) -> bytes:
    """A call, a batch, a broken one of these, or noise."""
    if random.random() < 0.1:
        return random.randbytes(40)
    is_batch = random.random() < 0.3
    text = json.dumps([call(random) for _ in range(3)] if is_batch else call(random)).encode()
    if random.random() < 0.2:
        spoilt = bytearray(text)
        spoilt[random.randrange(len(spoilt))] = random.randrange(256)
        return bytes(spoilt)
    return text


def codes(reply: bytes) -> list[int]:
    """The codes of all errors in a reply."""
    found = json.loads(reply)
    return [one["error"]["code"] for one in (found if isinstance(found, list) else [found]) if one and "error" in one]


async def test_no_frame_is_answered_by_an_internal_error(rig: Rig) -> None:
    random = Random(20)
    with capture_logs() as logs:
        for _ in range(FRAMES):
            sent = frame(random)
            async with rig.http.post(rig.url, data=sent, headers=JSON) as response:
                assert response.status in (200, 400), sent
                assert INTERNAL not in codes(await response.read()), sent
    assert [line for line in logs if line["log_level"] == "error"] == []
    assert (await rig.root.page("/-/ready"))[0] == 200


async def test_no_frame_closes_a_websocket(rig: Rig) -> None:
    random = Random(21)
    async with rig.peer() as peer:
        with capture_logs() as logs:
            for _ in range(FRAMES):
                await peer.ws.send_bytes(frame(random))
            await peer.ws.send_str('{"jsonrpc":"2.0","id":"the last one","method":"nodeget-server_hello"}')
            replies = []
            while not replies or b"the last one" not in replies[-1]:
                replies.append((await peer.ws.receive(timeout=10)).data.encode())
    assert not any(INTERNAL in codes(reply) for reply in replies)
    assert [line for line in logs if line["log_level"] == "error"] == []


@pytest.mark.parametrize("response", ["\x00", [], 5, None])
async def test_an_escape_in_what_should_be_an_object_is_an_invalid_parameter(rig: Rig, response: object) -> None:
    assert (await rig.root.refusal("task_upload_task_result", response))["code"] == -32602
