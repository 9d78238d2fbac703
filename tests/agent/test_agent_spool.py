"""A result is kept until it is acknowledged, sent again when it must be, and the oldest gives way."""

import asyncio
import json
from typing import Any

import pytest
from msgspec import Raw
from structlog.testing import capture_logs

from agent.backoff import backoff_s
from agent.frames import Reply, read_frame
from agent.spool import ANSWER_LIMIT_S, FRAME_RESULTS, Spool
from protocol.errors import Unreadable
from protocol.events import TaskResponse
from protocol.tasks.http_request import HttpResponse
from protocol.tasks.interface import Result


def spool_of(size: int = 1000) -> Spool:
    return Spool(server_name="home", token="key:secret", size=size)


def response(task_id: int, body: str = "") -> TaskResponse:
    return TaskResponse(
        task_id=task_id,
        agent_uuid="e8583352-39e8-5a5b-b66c-e450689088fd",
        task_token="t",
        timestamp=1_790_000_000_000,
        success=True,
        error_message=None,
        task_event_result=Result("http_request", HttpResponse(200, [], body)),
    )


def sent(spool: Spool, now_s: float = 0.0) -> list[Any]:
    """The ids of the next frame's calls; a list in the list for a batch."""
    frame = spool.next_frame(now_s)
    if frame is None:
        return []
    calls = json.loads(frame)
    return [call["id"] for call in calls] if isinstance(calls, list) else [calls["id"]]


def stored(task_id: int) -> Reply:
    return Reply(task_id, Raw(b'{"id":1}'))


def refused(task_id: int, code: int, message: str = "no") -> Reply:
    return Reply(task_id, Raw(b""), code, message)


def test_a_single_result_goes_as_a_plain_call() -> None:
    spool = spool_of()
    spool.put(response(7), 0)
    frame = spool.next_frame(0)
    assert frame is not None
    call = json.loads(frame)
    assert (call["jsonrpc"], call["id"], call["method"]) == ("2.0", 7, "task_upload_task_result")
    assert call["params"][0] == "key:secret"
    assert call["params"][1]["task_id"] == 7


def test_waiting_results_go_as_batches_of_bounded_length() -> None:
    spool = spool_of()
    for task_id in range(FRAME_RESULTS + 2):
        spool.put(response(task_id), 0)
    assert sent(spool) == list(range(FRAME_RESULTS))
    assert sent(spool) == [FRAME_RESULTS, FRAME_RESULTS + 1]
    assert sent(spool) == []


def test_a_frame_holds_about_a_mebibyte() -> None:
    spool = spool_of()
    for task_id in range(3):
        spool.put(response(task_id, "x" * 500_000), 0)
    spool.put(response(3, "x" * 2_000_000), 0)
    assert [sent(spool), sent(spool), sent(spool)] == [[0, 1], [2], [3]]


def test_a_result_too_large_for_the_upload_becomes_a_failure() -> None:
    spool = spool_of()
    spool.put(response(1, "x" * 9 * 1024 * 1024), 0)
    frame = spool.next_frame(0)
    assert frame is not None
    uploaded = json.loads(frame)["params"][1]
    assert not uploaded["success"]
    assert uploaded["task_event_result"] is None
    assert uploaded["reason"] == "body"
    assert uploaded["error_message"].startswith("Other error: the body is too large for the upload: 9437")


@pytest.mark.parametrize("reply", [stored(1), *(refused(1, code) for code in (102, 105, 108, -32602))])
def test_a_final_answer_lets_go(reply: Reply) -> None:
    spool = spool_of()
    spool.put(response(1), 0)
    assert sent(spool) == [1]
    spool.answered(reply, 0)
    spool.send_all_again()
    assert sent(spool) == []
    assert spool.claim(1)


def test_only_a_refusal_that_matters_is_a_warning() -> None:
    spool = spool_of()
    for task_id in (1, 2):
        spool.put(response(task_id), 0)
    with capture_logs() as logs:
        spool.answered(refused(1, 108, "Invalid input: Task result has already been uploaded"), 0)
        spool.answered(refused(2, 105), 0)
    assert [(line["log_level"], line["task_id"]) for line in logs] == [("debug", 1), ("warning", 2)]


@pytest.mark.parametrize("code", [103, 999, -32603])
def test_an_error_that_may_pass_is_tried_again_after_a_growing_pause(code: int) -> None:
    spool = spool_of()
    spool.put(response(1), 0)
    now_s = 0.0
    for pause_s in (1, 2, 4, 8, 16, 30, 30):
        assert sent(spool, now_s) == [1]
        spool.answered(refused(1, code), now_s)
        assert sent(spool, now_s + pause_s - 0.1) == []
        now_s += pause_s


def test_without_an_answer_it_is_sent_again() -> None:
    spool = spool_of()
    spool.put(response(1), 0)
    assert sent(spool, 0) == [1]
    assert sent(spool, ANSWER_LIMIT_S - 0.1) == []
    assert sent(spool, ANSWER_LIMIT_S) == [1]


def test_a_new_connection_gets_everything_unacknowledged() -> None:
    spool = spool_of()
    for task_id in (1, 2, 3):
        spool.put(response(task_id), 0)
    sent(spool)
    spool.answered(stored(2), 0)
    spool.send_all_again()
    assert sent(spool) == [1, 3]


def test_a_task_is_new_only_once() -> None:
    spool = spool_of()
    assert spool.claim(1)
    assert not spool.claim(1)
    spool.put(response(1), 0)
    assert not spool.claim(1)


def test_the_oldest_gives_way_and_the_log_says_so_once_a_minute() -> None:
    spool = spool_of(size=2)
    with capture_logs() as logs:
        for task_id in range(5):
            spool.put(response(task_id), now_s=100 + task_id)
        spool.put(response(5), now_s=200)
    assert sent(spool) == [4, 5]
    assert [(line["dropped"], line["size"]) for line in logs] == [(1, 2), (4, 2)]


def test_answers_to_nothing_are_ignored() -> None:
    spool = spool_of()
    spool.put(response(1), 0)
    for id_ in (2, None, "1", 1.5):
        spool.answered(Reply(id_, Raw(b"")), 0)
    assert sent(spool) == [1]


async def test_waiting_ends_with_a_result() -> None:
    spool = spool_of()
    waiting = asyncio.create_task(spool.wait(5))
    asyncio.get_running_loop().call_soon(spool.put, response(1), 0)
    await waiting
    assert sent(spool) == [1]


def test_a_frame_may_mix_replies_and_tasks() -> None:
    text = b"""[{"jsonrpc":"2.0","id":1,"result":{"id":1}},
        {"jsonrpc":"2.0","id":2,"error":{"code":105,"message":"gone"}},
        {"jsonrpc":"2.0","method":"task_register_task","params":{"subscription":1,"result":{"task_id":3}}},
        {"jsonrpc":"2.0","method":"task_register_task","params":[1]},
        {"jsonrpc":"2.0","method":"something_else","params":{"result":4}}]"""
    frame = read_frame(text)
    assert frame.replies == [Reply(1, Raw(b'{"id":1}')), Reply(2, Raw(b""), 105, "gone")]
    assert [bytes(task) for task in frame.tasks] == [b'{"task_id":3}']


@pytest.mark.parametrize("text", [b"", b"nonsense", b"1", b"[1]", b'"x"', b"[" * 10_000])
def test_what_is_no_frame_is_unreadable(text: bytes) -> None:
    with pytest.raises(Unreadable):
        read_frame(text)


class Middle:
    """No jitter: always the middle of the range."""

    def uniform(self, low: float, high: float) -> float:
        return (low + high) / 2


def test_pauses_double_up_to_a_minute() -> None:
    assert [backoff_s(n, Middle()) for n in (1, 2, 3, 6, 7, 8, 10_000)] == [1, 2, 4, 32, 60, 60, 60]  # type: ignore[arg-type]
