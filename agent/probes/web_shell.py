"""
``web_shell``: a terminal here for a user elsewhere, over a WebSocket that the server relays.

Whichever side ends, the shell is gone with its process groups before the result is given.
"""

import asyncio
from typing import Any

import msgspec
import structlog
from aiohttp import ClientError, ClientSession, ClientWebSocketResponse, WSMsgType
from msgspec import UNSET, Struct
from yarl import URL

from agent.probes.interface import Ending, Failed, Found, Work
from agent.probes.pseudo_terminal import PseudoTerminal, open_terminal
from agent.probes.reasons import text_of
from protocol.outcomes import Reason

log = structlog.get_logger()

CONNECT_LIMIT_S = 10
LARGEST_MESSAGE = 4 * 1024 * 1024
_GENERATED = "/auto_gen"
_UNCONNECTED = "Other error: Unable to connect agent: "


class Terminals:
    """The terminals that are open, by id; ``shell`` ``None`` takes what the machine has."""

    def __init__(self, *, shell: str | None) -> None:
        self.shell = shell
        self.live: set[str] = set()


class _Text(Struct):
    """What a text frame may say: a new size, or a heartbeat."""

    cols: Any = None
    rows: Any = None
    type: Any = UNSET
    timestamp: Any = UNSET


async def probe(work: Work, *, terminals: Terminals) -> Ending:
    """``True`` when the terminal has ended."""
    shell = work.event.task.payload
    url = URL(shell.url, encoded=True)
    if url.scheme not in ("ws", "wss"):
        return Failed(Reason.PROBE_ERROR, f"Other error: Other error: Invalid scheme: {url.scheme}")
    if shell.terminal_id in terminals.live:
        text = f"Other error: Invalid input: Terminal ID '{shell.terminal_id}' is already connected"
        return Failed(Reason.PROBE_ERROR, text)
    terminals.live.add(shell.terminal_id)
    try:
        async with ClientSession() as client:
            return await _connect(client, terminal_url(url, work), work, terminals)
    finally:
        terminals.live.discard(shell.terminal_id)


def terminal_url(url: URL, work: Work) -> URL:
    """Where to dial: the server's own ``/terminal`` for ``/auto_gen``, else the URL given, with the terminal's id."""
    event = work.event
    terminal_id: str = event.task.payload.terminal_id
    if url.path != _GENERATED:
        return url.update_query(terminal_id=terminal_id)
    query = {
        "agent_uuid": work.agent_uuid,
        "task_id": str(event.task_id),
        "task_token": event.task_token,
        "terminal_id": terminal_id,
    }
    return url.with_path("/terminal").with_query(query)


async def _connect(client: ClientSession, url: URL, work: Work, terminals: Terminals) -> Ending:
    try:
        async with asyncio.timeout(CONNECT_LIMIT_S):
            web_socket = await client.ws_connect(
                url, ssl=not work.ignore_cert, max_msg_size=LARGEST_MESSAGE, heartbeat=30
            )
    except TimeoutError:
        text = f"{_UNCONNECTED}WebSocket connect timed out after {CONNECT_LIMIT_S}s"
        return Failed(Reason.CONNECT_TIMEOUT, text)
    except (ClientError, OSError) as e:
        return Failed(Reason.INTERNAL, f"{_UNCONNECTED}Failed to connect to WebSocket: {text_of(e)}")
    async with web_socket:
        try:
            async with open_terminal(terminals.shell) as terminal:
                log.info("terminal opened", task_id=work.event.task_id)
                await _relay(web_socket, terminal)
        except OSError as e:
            return Failed(Reason.INTERNAL, f"Other error: Other error: Failed to open a terminal: {text_of(e)}")
    log.info("terminal ended", task_id=work.event.task_id)
    return Found(True)


async def _relay(web_socket: ClientWebSocketResponse[bool], terminal: PseudoTerminal) -> None:
    """Both ways, until either side ends."""
    ways = [asyncio.ensure_future(way) for way in (_output(terminal, web_socket), _input(web_socket, terminal))]
    try:
        done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in done:
            way.result()
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _output(terminal: PseudoTerminal, web_socket: ClientWebSocketResponse[bool]) -> None:
    try:
        while data := await terminal.read():
            await web_socket.send_bytes(data)
    except ClientError:
        log.debug("the terminal's connection was lost")


async def _input(web_socket: ClientWebSocketResponse[bool], terminal: PseudoTerminal) -> None:
    async for message in web_socket:
        if message.type is WSMsgType.BINARY:
            await terminal.write(message.data)
        elif message.type is WSMsgType.TEXT:
            await _take_text(message.data, terminal)


async def _take_text(text: str, terminal: PseudoTerminal) -> None:
    """A size, a heartbeat, or input."""
    try:
        said = msgspec.json.decode(text, type=_Text) if text.startswith("{") else _Text()
    except msgspec.DecodeError:
        said = _Text()
    if type(said.cols) is int and type(said.rows) is int:
        terminal.resize(said.rows, said.cols)
    elif said.type is UNSET or said.timestamp is UNSET:
        await terminal.write(text.encode())
