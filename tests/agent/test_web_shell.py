"""``web_shell``: a real shell on a real terminal, at a hand-written relay."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import psutil
import pytest
from aiohttp import WSMsgType, web
from yarl import URL

from agent.probes.interface import Ending, Failed, Found, Probe
from agent.probes.web_shell import terminal_url
from protocol.outcomes import Reason
from protocol.tasks.web_shell import WebShell
from tests.agent.probing import probes_of, work
from tests.agent.scripted_server import AGENT_UUID
from tests.agent.targets import closed_port

LIMIT_S = 10
Run = asyncio.Task[Ending]


@pytest.fixture(autouse=True)
def bare_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shells read no start-up files of whoever runs the tests."""
    monkeypatch.setenv("HOME", str(tmp_path))


class Relay:
    """The user's side of a terminal."""

    def __init__(self) -> None:
        self.url = ""
        self.queries: list[dict[str, str]] = []
        self._connections: asyncio.Queue[web.WebSocketResponse] = asyncio.Queue()

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        self.queries.append(dict(request.query))
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        self._connections.put_nowait(ws)
        self.ended = asyncio.get_running_loop().create_future()
        await self.ended
        return ws

    async def connection(self) -> web.WebSocketResponse:
        return await asyncio.wait_for(self._connections.get(), LIMIT_S)


@asynccontextmanager
async def open_relay() -> AsyncIterator[Relay]:
    relay = Relay()
    app = web.Application()
    app.router.add_get("/{path:.*}", relay.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        relay.url = f"ws://127.0.0.1:{runner.addresses[0][1]}/auto_gen"
        yield relay
    finally:
        await runner.cleanup()


async def until(ws: web.WebSocketResponse, wanted: str) -> str:
    """What the terminal says until ``wanted`` is in it."""
    said = ""
    async with asyncio.timeout(LIMIT_S):
        while wanted not in said:
            message = await ws.receive()
            assert message.type is WSMsgType.BINARY, (message, said)
            said += message.data.decode(errors="replace")
    return said


@asynccontextmanager
async def session(
    relay: Relay, **settings: object
) -> AsyncIterator[tuple[web.WebSocketResponse, asyncio.Task[Ending]]]:
    """A shell whose prompt is plain, and its run."""
    async with probes_of(**{"terminal_shell": "sh", **settings}) as probes:
        run = asyncio.create_task(start(probes["web_shell"], relay.url))
        ws = await relay.connection()
        await ws.send_str("PS1='> '; stty -echo\n")
        await ws.send_str("echo re''ady\n")
        await until(ws, "ready\r\n")
        try:
            yield ws, run
        finally:
            await ws.close()
            relay.ended.set_result(None)
            await asyncio.wait_for(run, LIMIT_S)


async def start(probe: Probe, url: str, terminal_id: str | None = None) -> Ending:
    return await probe.run(work("web_shell", WebShell(url, terminal_id or str(uuid4()))))


async def test_a_shell_has_a_terminal_of_the_usual_size_and_kind() -> None:
    async with open_relay() as relay, session(relay) as (ws, _):
        await ws.send_str("stty size; echo $TERM; tty; echo e''nd\n")
        said = await until(ws, "end")
    assert "24 80\r\n" in said
    assert "xterm-256color\r\n" in said
    assert "/dev/pts/" in said


async def test_a_size_is_taken_a_heartbeat_is_dropped_and_the_rest_is_input() -> None:
    async with open_relay() as relay, session(relay) as (ws, _):
        await ws.send_json({"cols": 132, "rows": 43})
        await ws.send_json({"type": "heartbeat", "timestamp": 1})
        await ws.send_bytes(b"stty size; echo e''nd\n")
        said = await until(ws, "end")
        assert "43 132\r\n" in said
        assert "heartbeat" not in said
        for text in ('{"cols": 1}', '{"cols": "1", "rows": 2}', '{"type": "x"}', "{", "[1]"):
            await ws.send_str(f"cat <<'x'\n{text}\nx\n")
            assert text in await until(ws, text)
        await ws.send_json({"cols": 10**9, "rows": -5})
        await ws.send_str("stty size; echo e''nd\n")
        assert "1 65535\r\n" in await until(ws, "end")


async def test_ten_megabytes_come_out_whole() -> None:
    async with open_relay() as relay, session(relay) as (ws, _):
        await ws.send_str("stty -opost; head -c 10485760 /dev/zero | tr '\\0' x; echo e''nd\n")
        said = await until(ws, "end")
    assert said.count("x") == 10 * 1024 * 1024


async def test_much_input_goes_in_whole() -> None:
    async with open_relay() as relay, session(relay) as (ws, _):
        await ws.send_str("wc -c <<'x'\n")
        for _ in range(200):
            await ws.send_str("y" * 999 + "\n")
        await ws.send_str("x\n")
        assert "200000" in await until(ws, "200000")


async def test_the_result_comes_when_the_shell_ends() -> None:
    async with open_relay() as relay, session(relay) as (ws, run):
        await ws.send_str("exit\n")
        assert await asyncio.wait_for(run, LIMIT_S) == Found(True)
        while (message := await ws.receive()).type is WSMsgType.BINARY:
            pass
        assert message.type is WSMsgType.CLOSE


async def test_when_the_connection_closes_the_shell_and_its_jobs_are_gone(tmp_path: Path) -> None:
    """One in the foreground that ignores the hang-up, and one in the background, to which bash passes it on."""
    pids = tmp_path / "pids"
    async with open_relay() as relay:
        async with session(relay, terminal_shell="bash") as (ws, run):
            await ws.send_str(
                f"sleep 60 & echo $! $$ > {pids}; sh -c 'trap \"\" HUP; echo $$ >> {pids}; echo go; sleep 60'\n"
            )
            await until(ws, "go\r\n")
        assert run.result() == Found(True)
    async with asyncio.timeout(LIMIT_S):
        for pid in map(int, pids.read_text().split()):
            while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                await asyncio.sleep(0.01)


async def test_no_descriptor_stays_open() -> None:
    async with open_relay() as relay:
        async with session(relay):
            pass
        before = psutil.Process().num_fds()
        for _ in range(3):
            async with session(relay):
                pass
        assert psutil.Process().num_fds() <= before + 1


async def test_the_agent_dials_where_it_is_told() -> None:
    made = work("web_shell", WebShell("wss://srv.example:8443/auto_gen?x=1", "6f1c1f7a-0000-4000-8000-000000000001"), 7)
    assert str(terminal_url(URL("wss://srv.example:8443/auto_gen?x=1"), made)) == (
        f"wss://srv.example:8443/terminal?agent_uuid={AGENT_UUID}&task_id=7&task_token=0123456789"
        "&terminal_id=6f1c1f7a-0000-4000-8000-000000000001"
    )
    assert str(terminal_url(URL("ws://relay.example/a/b?k=v&terminal_id=old"), made)) == (
        "ws://relay.example/a/b?k=v&terminal_id=6f1c1f7a-0000-4000-8000-000000000001"
    )


async def test_a_terminal_id_is_used_once_at_a_time() -> None:
    same = str(uuid4())
    async with open_relay() as relay, probes_of() as probes:
        first = asyncio.create_task(start(probes["web_shell"], relay.url, same))
        ws = await relay.connection()
        text = f"Other error: Invalid input: Terminal ID '{same}' is already connected"
        assert await start(probes["web_shell"], relay.url, same) == Failed(Reason.PROBE_ERROR, text)
        await ws.close()
        relay.ended.set_result(None)
        assert await asyncio.wait_for(first, LIMIT_S) == Found(True)


async def test_a_scheme_and_a_server_that_cannot_be_dialled_say_so() -> None:
    async with probes_of() as probes:
        wrong = await start(probes["web_shell"], "https://srv.example/auto_gen")
        assert wrong == Failed(Reason.PROBE_ERROR, "Other error: Other error: Invalid scheme: https")
        with closed_port() as port:
            refused = await start(probes["web_shell"], f"ws://127.0.0.1:{port}/auto_gen")
    assert isinstance(refused, Failed)
    assert refused.message.startswith("Other error: Unable to connect agent: Failed to connect to WebSocket: ")


async def test_a_shell_that_is_not_there_says_so() -> None:
    async with open_relay() as relay, probes_of(terminal_shell="/no/such/shell") as probes:
        run = asyncio.create_task(start(probes["web_shell"], relay.url))
        await relay.connection()
        relay.ended.set_result(None)
        ending = await asyncio.wait_for(run, LIMIT_S)
    assert isinstance(ending, Failed)
    assert "No such file or directory" in ending.message
    assert json.dumps(ending.message)


@pytest.mark.parametrize("shell", [None, "bash"])
async def test_bash_is_the_usual_shell(shell: str | None) -> None:
    async with open_relay() as relay, session(relay, terminal_shell=shell) as (ws, _):
        await ws.send_str("echo v:${BASH_VERSION%%.*} e''nd\n")
        assert "v:5" in await until(ws, "end")
