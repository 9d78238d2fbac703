"""Recorded cases of the peers' JSON-RPC layer, over a real listener; and of credentials."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from protocol.errors import CredentialMalformed
from server.auth import Token
from server.credentials import hash_secret, split_credential
from server.store.interface import TokenRow
from tests.server.rig import AGENT, ROOT, Rig, open_rig_in
from tests.vector_cases import vectors

Case = dict[str, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    directory: Path = tmp_path_factory.mktemp("served")
    async with open_rig_in(directory) as rig:
        yield rig


def without_reason(text: str) -> object:
    """The document; the explanation beside -32602 is informational."""
    document = json.loads(text)
    if isinstance(document, dict) and document.get("error", {}).get("code") == -32602:
        del document["error"]["data"]
    return document


@vectors("jsonrpc_http")
@pytest.mark.asyncio(loop_scope="module")
async def test_http_answers_as_recorded(served: Rig, case: Case) -> None:
    async with served.http.request(
        case["method"],
        served.url + case["path"],
        data=(case["request"] or "").encode(),
        headers={"content-type": case["content_type"]} if case["content_type"] else {},
        skip_auto_headers=["content-type"],
    ) as response:
        text = await response.text()
        kind = response.headers.get("content-type")
    assert (response.status, kind) == (case["status"], case["response_content_type"])
    if "-32602" in case["response"]:
        assert without_reason(text) == without_reason(case["response"])
    else:
        assert text == case["response"]


@vectors("jsonrpc_ws")
@pytest.mark.asyncio(loop_scope="module")
async def test_websockets_answer_as_recorded(served: Rig, case: Case) -> None:
    """An id stands for the peer's subscription; ``hello`` behind each case proves that nothing else was said."""
    async with served.peer() as peer:
        params = json.dumps([ROOT, AGENT])
        await peer.send(f'{{"jsonrpc":"2.0","id":1,"method":"task_register_task","params":{params}}}')
        subscription = (await peer.frame())["result"]
        if "event" in case:
            await served.root.call("task_create_task", AGENT, "ip")
            text = await peer.text()
            result = json.loads(text)["params"]["result"]
            event = case["event"].replace('"task_id":1', f'"task_id":{result["task_id"]}')
            event = event.replace('"tok"', f'"{result["task_token"]}"')
            assert text == event.replace("<same integer>", str(subscription))
            return
        if case["why"] == "already gone":
            await peer.send(f'{{"jsonrpc":"2.0","id":0,"method":"task_unregister_task","params":[{subscription}]}}')
            assert (await peer.frame())["result"] is True
        await peer.send(case["send"].replace("<id>", str(subscription)).replace("K:S", ROOT))
        heard = [await peer.text() for _ in case["expect"]]
        await peer.send('{"jsonrpc":"2.0","id":"end","method":"nodeget-server_hello"}')
        assert await peer.text() == '{"jsonrpc":"2.0","id":"end","result":"NodeGet Server Is Running!"}'
        renewed = str(json.loads(heard[0])["result"]) if any("<sub>" in text for text in case["expect"]) else ""
        assert heard == [text.replace("<sub>", renewed) for text in case["expect"]]


@vectors("credential_string")
def test_a_credential_is_split_as_recorded(case: Case) -> None:
    kinds = {"token": "key", "auth": "username"}
    if case["kind"] is None:
        with pytest.raises(CredentialMalformed, match=r"^Parse error: Failed to parse token: Invalid token format"):
            split_credential(case["text"])
    else:
        assert split_credential(case["text"]) == (kinds[case["kind"]], case["a"], case["b"])


@vectors("secret_hash")
def test_a_secret_is_hashed_as_recorded(case: Case) -> None:
    assert hash_secret(case["secret"]) == case["sha256_hex_of_NODEGET_plus_secret"]


@vectors("token_limit", kind="time")
def test_a_window_is_as_wide_as_recorded(case: Case) -> None:
    row = TokenRow(2, "k", "", case["timestamp_from"], case["timestamp_to"], "[]", None, None)
    assert Token(row, ()).is_valid(case["now_ms"]) is case["valid"]
