"""HTTP itself: pages, health, limits, garbage, and the shape of calls."""

import io
import json
from typing import Any

import pytest

from tests.server.rig import AGENT, Rig

LIMIT = 10 * 1024 * 1024
HELLO = '{"jsonrpc":"2.0","id":1,"method":"nodeget-server_hello"}'


async def test_the_root_page_shows_the_uuid(rig: Rig) -> None:
    for path in ("/", "/nodeget/rpc"):
        status, page = await rig.root.page(path)
        assert status == 200
        assert rig.server.uuid in page


async def test_calls_are_answered_on_every_path(rig: Rig) -> None:
    for path in ("/", "/nodeget/rpc", "/any/other/path", "/metrics"):
        async with rig.http.post(rig.url + path, data=HELLO, headers={"content-type": "application/json"}) as response:
            assert json.loads(await response.read())["result"] == "NodeGet Server Is Running!"
        async with rig.http.ws_connect(rig.url + path) as ws:
            await ws.send_str(HELLO)
            assert json.loads((await ws.receive(timeout=5)).data)["result"] == "NodeGet Server Is Running!"


async def test_an_unknown_page_is_405(rig: Rig) -> None:
    assert await rig.root.page("/other") == (405, "Used HTTP Method is not allowed. POST is required\n")


async def test_a_running_server_is_healthy_and_ready(rig: Rig) -> None:
    assert await rig.root.page("/-/healthy") == (200, "ok\n")
    assert await rig.root.page("/-/ready") == (200, "ready\n")


async def test_a_body_that_announces_too_much_is_413(rig: Rig) -> None:
    async with rig.http.post(
        rig.url, data=io.BytesIO(b"[" + b" " * LIMIT), headers={"content-type": "application/json"}
    ) as response:
        assert response.status == 413
        assert response.headers["content-type"] == "application/json; charset=utf-8"
        assert await response.text() == (
            '{"jsonrpc":"2.0","id":null,"error":{"code":-32007,"message":"Request is too big",'
            f'"data":"Exceeded max limit of {LIMIT}"}}}}'
        )


async def test_a_body_that_grows_too_large_is_500(rig: Rig) -> None:
    async def body() -> Any:
        for _ in range(11):
            yield b" " * (1024 * 1024)

    async with rig.http.post(rig.url, data=body(), headers={"content-type": "application/json"}) as response:
        assert response.status == 500
        assert (await response.json())["error"] == {"code": -32603, "message": "Internal error"}


async def test_a_gzipped_metrics_page_is_the_same_page(rig: Rig) -> None:
    async with rig.http.get(f"{rig.url}/metrics", headers={"accept-encoding": "gzip"}) as response:
        assert response.headers["content-encoding"] == "gzip"
        assert "cronprobe_build_info" in await response.text()


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"token": "t", "targetUuid": AGENT, "taskType": "ip"}, 101),
        ({"token": "t", "target_uuid": AGENT, "task_type": "ip", "unknown": 1}, 101),
        ({"token": "t", "target_uuid": AGENT, "targetUuid": AGENT, "task_type": "ip"}, -32602),
        ({"token": "t", "target_uuid": AGENT}, -32602),
        (["t", AGENT, "ip", "surplus"], 101),
        (["t", AGENT], -32602),
        ("scalar", -32602),
        (None, -32602),
    ],
)
async def test_parameters_come_by_position_or_by_name(rig: Rig, params: object, code: int) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "task_create_task", "params": params}
    assert json.loads(await rig.root.post(json.dumps(body)))["error"]["code"] == code


async def test_a_batch_of_mixed_messages_is_answered_in_its_order(rig: Rig) -> None:
    batch = f'[1,{HELLO},{{"jsonrpc":"2.0","method":"x"}},{{"jsonrpc":"2.0","id":"a","method":"nope"}},{HELLO},{{}}]'
    replies = json.loads(await rig.root.post(batch))
    assert [reply.get("error", {}).get("code") for reply in replies] == [-32600, None, -32601, None, -32600]
    assert [reply["id"] for reply in replies] == [None, 1, "a", 1, None]


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, '{"jsonrpc":"2.0","id":1,"method":"\\ud800"}'])
async def test_garbage_is_a_parse_error_and_harms_nobody(rig: Rig, text: str) -> None:
    assert json.loads(await rig.root.post(text))["error"]["code"] == -32700
    async with rig.peer() as peer:
        await peer.send(text)
        assert (await peer.frame())["error"]["code"] == -32700
        await peer.send(HELLO)
        assert (await peer.frame())["result"] == "NodeGet Server Is Running!"
    assert 'cronprobe_rpc_requests_total{code="-32700",method=""} 2.0' in (await rig.root.page("/metrics"))[1]


async def test_names_of_unknown_methods_do_not_become_labels(rig: Rig) -> None:
    await rig.root.refusal("no-such-method")
    page = (await rig.root.page("/metrics"))[1]
    assert 'cronprobe_rpc_requests_total{code="-32601",method=""} 1.0' in page
    assert "no-such-method" not in page


async def test_the_server_tells_its_version_with_thirteen_strings(rig: Rig) -> None:
    version = await rig.root.call("nodeget-server_version")
    assert list(version) == sorted(version)
    assert len(version) == 13
    assert version["binary_type"] == "Server"


async def test_garbage_that_never_was_json_is_counted_too(rig: Rig) -> None:
    assert json.loads(await rig.root.post("hello"))["error"]["code"] == -32700
    assert 'cronprobe_rpc_requests_total{code="-32700",method=""} 1.0' in (await rig.root.page("/metrics"))[1]
