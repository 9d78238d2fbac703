"""
A hundred thousand random frames at each door: every call answered, no traceback, and memory that does not grow.

``CRONPROBE_ACCEPTANCE_FRAMES`` makes it fewer.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import psutil
import pytest

from tests.fakes import JSON
from tests.processes import run_server
from tests.random_frames import Frame, answers, codes, frames

pytestmark = pytest.mark.acceptance

FRAMES = int(os.environ.get("CRONPROBE_ACCEPTANCE_FRAMES", "100000"))
PARTS = 10
INTERNAL = -32603
AT_ONCE = 16
MOST_GROWTH_BYTES = 8 * 1024 * 1024
Send = Callable[[list[Frame]], Awaitable[Counter[str]]]


def heard_in(reply: bytes) -> Counter[str]:
    assert INTERNAL not in codes(reply), reply[:500]
    return Counter(one["id"] for one in answers(reply) if isinstance(one["id"], str))


async def over_http(http: aiohttp.ClientSession, url: str, part: list[Frame]) -> Counter[str]:
    heard: Counter[str] = Counter()
    waiting = iter(part)

    async def work() -> None:
        for frame in waiting:
            async with http.post(url, data=frame.data, headers=JSON) as response:
                assert response.status in (200, 400), frame
                heard.update(heard_in(await response.read()))

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return heard


async def over_websocket(http: aiohttp.ClientSession, url: str, part: list[Frame]) -> Counter[str]:
    heard: Counter[str] = Counter()
    wanted = sum(len(frame.ids) for frame in part)
    async with http.ws_connect(url, max_msg_size=0) as ws:

        async def send() -> None:
            for frame in part:
                await ws.send_bytes(frame.data)

        sending = asyncio.create_task(send())
        while heard.total() < wanted:
            message = await ws.receive(timeout=60)
            assert message.type is aiohttp.WSMsgType.TEXT, message
            heard.update(heard_in(message.data.encode()))
        await sending
    return heard


@pytest.mark.parametrize("door", [over_http, over_websocket])
async def test_random_frames_are_answered_and_leave_nothing_behind(tmp_path: Path, door: Callable[..., Send]) -> None:
    async with run_server(tmp_path / "state") as server, aiohttp.ClientSession() as http:
        process = psutil.Process(server.process.process.pid)
        resident: list[int] = []
        all_frames = frames(6, FRAMES)
        for _ in range(PARTS):
            part = [next(all_frames) for _ in range(FRAMES // PARTS)]
            heard = await door(http, server.url, part)  # type: ignore[misc]
            assert heard == Counter(id_ for frame in part for id_ in frame.ids)
            resident.append(process.memory_info().rss)
        print(f"\n{door.__name__}: {FRAMES} frames; resident MB: {[size >> 20 for size in resident]}")
        assert "Traceback" not in server.process.output
        assert "level=error" not in server.process.output
        assert resident[-1] - resident[PARTS // 2] < MOST_GROWTH_BYTES
        await server.process.stop()
