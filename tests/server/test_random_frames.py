"""Frames that nobody would send: each call gets its answer, an error of the protocol, never a fault of ours."""

from collections import Counter

import pytest
from structlog.testing import capture_logs

from tests.fakes import JSON
from tests.random_frames import answers, codes, frames
from tests.server.rig import Rig

FRAMES = 600
INTERNAL = -32603


async def test_every_frame_is_answered_over_http_and_never_by_an_internal_error(rig: Rig) -> None:
    with capture_logs() as logs:
        for frame in frames(20, FRAMES):
            async with rig.http.post(rig.url, data=frame.data, headers=JSON) as response:
                reply = await response.read()
            assert response.status in (200, 400), frame
            assert INTERNAL not in codes(reply), frame
            assert Counter(one["id"] for one in answers(reply) if isinstance(one["id"], str)) == Counter(frame.ids)
    assert [line for line in logs if line["log_level"] == "error"] == []
    assert (await rig.root.page("/-/ready"))[0] == 200


async def test_every_call_is_answered_over_a_websocket_that_stays_open(rig: Rig) -> None:
    sent = list(frames(21, FRAMES))
    async with rig.peer() as peer:
        with capture_logs() as logs:
            for frame in sent:
                await peer.ws.send_bytes(frame.data)
            await peer.ws.send_str('{"jsonrpc":"2.0","id":"the last one","method":"nodeget-server_hello"}')
            heard: Counter[str] = Counter()
            wanted = Counter(id_ for frame in sent for id_ in frame.ids) + Counter(["the last one"])
            while heard.total() < wanted.total():
                reply = (await peer.ws.receive(timeout=10)).data.encode()
                assert INTERNAL not in codes(reply)
                heard.update(one["id"] for one in answers(reply) if isinstance(one["id"], str))
    assert heard == wanted
    assert [line for line in logs if line["log_level"] == "error"] == []


@pytest.mark.parametrize("response", ["\x00", [], 5, None])
async def test_an_escape_in_what_should_be_an_object_is_an_invalid_parameter(rig: Rig, response: object) -> None:
    assert (await rig.root.refusal("task_upload_task_result", response))["code"] == -32602


async def test_text_that_is_no_text_closes_the_websocket(rig: Rig) -> None:
    """RFC 6455, 8.1."""
    async with rig.peer() as peer:
        await peer.ws._writer.send_frame(b"\xff\xfe", 1)
        assert await peer.close_code() == 1007
