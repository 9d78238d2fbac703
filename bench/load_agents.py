"""
Agents that answer at once: they probe nothing, so that what is measured is the server.

``python -m bench.load_agents URL FILE OUT``: FILE has a line ``uuid token`` an agent; at SIGTERM the times of all
acknowledgements go to OUT as pairs of 64-bit integers (task id, ms since the epoch).
"""

import array
import asyncio
import signal
import sys
import time
from pathlib import Path

import aiohttp
import msgspec
import uvloop
from msgspec import Struct


class _Event(Struct):
    task_id: int
    task_token: str


class _Params(Struct):
    result: _Event


class _Notification(Struct):
    params: _Params | None = None
    id: int = 0


_read = msgspec.json.Decoder(list[_Notification]).decode
_CLIENT = '{"client":"bench/0","batch":true,"labels":{}}'


class Agents:
    """All load agents of this process."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.connected = 0
        self.acknowledged = array.array("q")

    async def run(self, session: aiohttp.ClientSession, uuid: str, token: str) -> None:
        """One agent: register, then answer until the server closes."""
        async with session.ws_connect(self.url, max_msg_size=0) as ws:
            call = '{"jsonrpc":"2.0","id":1,"method":"task_register_task","params":["%s","%s",%s]}'
            await ws.send_str(call % (token, uuid, _CLIENT))
            await ws.receive()
            self.connected += 1
            head = b'{"jsonrpc":"2.0","id":%d,"method":"task_upload_task_result","params":["' + token.encode() + b'",'
            body = (
                b'{"task_id":%d,"agent_uuid":"' + uuid.encode() + b'","task_token":"%b","timestamp":%d,"success":true,'
                b'"error_message":null,"task_event_result":{"ping":1.25}}]}'
            )
            async for message in ws:
                await self._on_frame(ws, message.data, head + body)

    async def _on_frame(self, ws: aiohttp.ClientWebSocketResponse, text: str, call: bytes) -> None:
        now = time.time_ns() // 1_000_000
        notifications = _read(text)
        if notifications and notifications[0].params is None:
            for reply in notifications:
                self.acknowledged.append(reply.id)
                self.acknowledged.append(now)
            return
        events = [n.params.result for n in notifications if n.params is not None]
        uploads = [call % (e.task_id, e.task_id, e.task_token.encode(), now) for e in events]
        await ws.send_frame(b"[" + b",".join(uploads) + b"]", aiohttp.WSMsgType.TEXT)


async def main(url: str, agents_file: Path, out: Path) -> None:
    """Run all agents until SIGTERM."""
    agents = Agents(url)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    lines = [line.split() for line in agents_file.read_text().splitlines()]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        running = [asyncio.create_task(agents.run(session, uuid, token)) for uuid, token in lines]
        while agents.connected < len(running):
            if any(task.done() for task in running):
                raise SystemExit("the server went away before all agents were connected")
            await asyncio.sleep(0.05)
        print("ready", flush=True)
        await stop.wait()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    out.write_bytes(agents.acknowledged.tobytes())


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
