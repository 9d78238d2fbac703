"""``cronprobe top``: how each job stands on each agent, as it changes."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Annotated, Never

import msgspec
import typer
from msgspec import Raw
from rich.console import JustifyMethod
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cli.agents import agent_uuid
from cli.board import Board, Standing
from cli.client import Client, ServerUnreachable
from cli.following import follow
from cli.lifetime import live, unless_stopped
from cli.options import (
    DEFAULT_SERVER,
    DEFAULT_STATE_DIR,
    OfAgent,
    OfJob,
    ServerUrl,
    StateDir,
    TokenFile,
    TokenText,
    find_token,
)
from cli.rows import read_row
from cli.screen import console, printable
from cli.times import age_text, span_ms
from protocol.errors import ConfigError

_LOOK_EVERY_S = 1.0
_COUNT_EVERY_S = 15.0
_COLUMNS = {"job": 12, "agent": 6, "state": 8, "ms": 6, "p95": 6, "ok": 4, "failed": 6, "unknown": 7, "age": 3}
"""And how narrow they may become; the last one, with the reason, is cut off where there is no room."""
_NUMBERS = frozenset({"ms", "p95", "ok", "failed", "unknown", "age"})
_COLOURS = {"ok": "green", "failed": "red", "unknown": "yellow", "degraded": "yellow"}
_FRAME_LINES = 3


class TopOutput(StrEnum):
    """The form of the table."""

    TABLE = "table"
    JSON = "json"


def top(
    cron_source: OfJob = None,
    agent: OfAgent = None,
    window: Annotated[str, typer.Option(help="Count runs, and rank latencies, of so long.", metavar="SPAN")] = "1h",
    once: Annotated[bool, typer.Option("--once", help="Print it once and end; so without a terminal.")] = False,
    output: Annotated[TopOutput, typer.Option("--output", "-o", help="json: only with --once.")] = TopOutput.TABLE,
    server: ServerUrl = DEFAULT_SERVER,
    token_file: TokenFile = None,
    token: TokenText = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
) -> None:
    """
    Show how each job stands on each agent, failing ones first, as results come; Ctrl-C ends it.

    Example: `cronprobe top --agent fra-1`, or `cronprobe top --once -o json | jq '.[] | select(.outcome != "ok")'`
    """
    is_live = not once and console.is_terminal and not console.is_dumb_terminal
    if output is TopOutput.JSON and is_live:
        raise ConfigError("-o json: a table that changes is no JSON; add --once")
    client = Client(server, find_token(token_file, token, state_dir))
    uuid = None if agent is None else agent_uuid(client, agent)
    board = Board(client=client, job=cron_source, agent_uuid=uuid, window_ms=span_ms(window, "--window"))
    if is_live:
        live(lambda stop: unless_stopped(stop, _Display(client, board, window).work()))
        return
    asyncio.run(board.read(_now_ms()))
    if output is TopOutput.JSON:
        console.out(msgspec.json.encode(board.standings()).decode(), highlight=False)
    else:
        console.print(_table(board.standings(), _now_ms()))


class _Display:
    """The table on the terminal: drawn again when results come, when the window changes, and each second."""

    def __init__(self, client: Client, board: Board, window: str) -> None:
        self._client = client
        self._board = board
        self._window = window
        self._news = asyncio.Event()
        self._trouble = ""

    async def work(self) -> None:
        """Draw until cancelled, from when the first is known."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow(), name="follow results")
            group.create_task(self._count(), name="count runs")
            await self._news.wait()
            async with self._drawing() as drawing:
                while True:
                    drawing.refresh()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._news.wait(), _LOOK_EVERY_S)
                    self._news.clear()

    @asynccontextmanager
    async def _drawing(self) -> AsyncIterator[Live]:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGWINCH, self._news.set)
        try:
            with Live(get_renderable=self._picture, console=console, screen=True, auto_refresh=False) as drawing:
                yield drawing
        finally:
            loop.remove_signal_handler(signal.SIGWINCH)

    def _picture(self) -> Table:
        """As much as the terminal has room for."""
        standings = self._board.standings()
        room = max(1, console.size.height - _FRAME_LINES)
        table = _table(standings[:room], _now_ms())
        bad = sum(one.outcome in ("failed", "unknown") and not one.maintenance for one in standings)
        left = f", {len(standings) - room} more below" if len(standings) > room else ""
        table.title = f"{len(standings)} series, {bad} not ok{left}; counts of {self._window}"
        table.title_justify = "left"
        table.caption = Text(self._trouble, style="red", no_wrap=True, overflow="ellipsis")
        return table

    async def _follow(self) -> Never:
        await follow(self._client, self._board.conditions, on_open=self._opened, on_rows=self._take, on_lost=self._lost)

    async def _opened(self) -> None:
        await self._board.read(_now_ms())
        self._trouble = ""
        self._news.set()

    def _take(self, rows: Sequence[Raw]) -> None:
        self._board.take(map(read_row, rows))
        self._news.set()

    def _lost(self, why: str) -> None:
        self._trouble = printable(why)
        self._news.set()

    async def _count(self) -> Never:
        while True:
            await asyncio.sleep(_COUNT_EVERY_S)
            with contextlib.suppress(ServerUnreachable):  # who follows says so
                await self._board.count(_now_ms())


def _table(standings: Sequence[Standing], now_ms: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", title_style="bold")
    for column, narrowest in _COLUMNS.items():
        justify: JustifyMethod = "right" if column in _NUMBERS else "left"
        table.add_column(column, justify=justify, no_wrap=True, overflow="ellipsis", min_width=narrowest)
    table.add_column("last reason", no_wrap=True, overflow="ellipsis")
    for one in standings:
        table.add_row(
            Text(printable(one.job)),
            Text(printable(one.agent)),
            Text(_state(one), style="dim" if one.maintenance else _COLOURS.get(_state(one), "dim")),
            "" if one.latency_ms is None else f"{one.latency_ms:.2f}",
            "" if one.p95_ms is None else f"{one.p95_ms:.2f}",
            str(one.ok),
            str(one.failed),
            str(one.unknown),
            "" if one.ended_ms is None else age_text((now_ms - one.ended_ms) / 1000),
            Text(one.reason or ""),
        )
    return table


def _state(one: Standing) -> str:
    if one.maintenance:
        return "maintenance"
    return "degraded" if one.degraded else one.outcome or "none yet"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
