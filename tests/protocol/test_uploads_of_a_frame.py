"""The quick way of an upload frame gives what the careful one gives, or leaves the call to it."""

import json
from typing import Any

import pytest
from msgspec import Raw

from protocol.errors import InvalidParams
from protocol.methods.task import UploadTaskResult, read_upload_params
from protocol.params import read_params
from tests.vector_cases import vectors

RESPONSE = (
    '{"task_id":1,"agent_uuid":"5f0c2f4e-4f43-4b0e-9d6a-2a4a7c9d1b10","task_token":"t","timestamp":2,"success":true%s}'
)


def both_ways(response: str) -> tuple[object, object]:
    params = Raw(f'["token",{response}]'.encode())
    frame = b'{"jsonrpc":"2.0","id":1,"method":"task_upload_task_result","params":%b}' % bytes(params)
    [quick] = read_upload_params(frame, [params])
    try:
        careful: object = read_params(UploadTaskResult, params)
    except InvalidParams as e:
        careful = str(e)
    return (str(quick) if isinstance(quick, InvalidParams) else quick), careful


@vectors("task_event_response")
def test_both_ways_agree_on_recorded_responses(case: dict[str, Any]) -> None:
    quick, careful = both_ways(case.get("raw") or json.dumps(case["json"]))
    assert quick == careful
    assert isinstance(quick, UploadTaskResult) is case["valid"]


@pytest.mark.parametrize(
    "rest",
    [
        ',"task_event_result":{"ping":1.5}',
        ',"task_event_result":{"ping":1.5,"ping":2.5}',
        ',"task_event_result":{"p\\u0069ng":1.5}',
        ',"task_event_result":{"nope":1}',
        ',"task_event_result":{}',
        ',"task_event_result":null,"error_message":"a \\"task_id\\" of"',
        ',"success":false',
        ',"s\\u0075ccess":false',
        ',"started_at":5,"reason":"dns","detail":{"connect_ms":1.5}',
        ',"started_at":"x","reason":5,"detail":[]',
    ],
)
def test_both_ways_agree_on_odd_responses(rest: str) -> None:
    quick, careful = both_ways(RESPONSE % rest)
    assert quick == careful


def test_an_ill_formed_extension_of_ours_is_dropped() -> None:
    quick, _ = both_ways(RESPONSE % ',"started_at":-1,"reason":5,"detail":[]')
    assert isinstance(quick, UploadTaskResult)
    response = quick.task_response
    assert (response.started_at, response.reason, response.detail) == (None, None, None)
