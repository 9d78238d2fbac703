"""``cronprobe tail``: results as they come, a line each."""

import asyncio
import sys
import time
from collections import deque
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import msgspec
import typer
from msgspec import Raw

from cli.client import Client
from cli.filters import conditions as wanted
from cli.following import follow
from cli.lifetime import live, unless_stopped
from cli.lines import RunLine, run_line
from cli.options import (
    DEFAULT_SERVER,
    DEFAULT_STATE_DIR,
    Failed,
    OfAgent,
    OfJob,
    OfType,
    ServerUrl,
    StateDir,
    TokenFile,
    TokenText,
    find_token,
)
from cli.rows import Row, read_row
from cli.screen import console

_REMEMBERED = 20_000
_MOST_MISSED = 1_000
_STORED_LATER_MS = 60_000
"""Agents keep results while the server is away: what is stored after a gap may have finished long before its end."""


class TailOutput(StrEnum):
    """The form of a result; ``json`` is a row of the protocol to the letter on each line."""

    TEXT = "text"
    JSON = "json"


def tail(
    cron_source: OfJob = None,
    task_type: OfType = None,
    agent: OfAgent = None,
    failed: Failed = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, max=1_000, help="So many that are stored already come first.")
    ] = 10,
    until_count: Annotated[
        int | None, typer.Option(min=1, help="End after so many results, the first ones included.", metavar="COUNT")
    ] = None,
    output: Annotated[TailOutput, typer.Option("--output", "-o", help="json: a row on each line.")] = TailOutput.TEXT,
    server: ServerUrl = DEFAULT_SERVER,
    token_file: TokenFile = None,
    token: TokenText = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
) -> None:
    """
    Show results as they are stored, until Ctrl-C. When the server goes away it is tried again, and what was missed
    is shown.

    Example: `cronprobe tail --failed -n 20`, or `cronprobe tail -o json | jq .reason`
    """
    client = Client(server, find_token(token_file, token, state_dir))
    conditions = wanted(client, cron_source=cron_source, task_type=task_type, agent=agent, failed=failed)
    printer = _Printer(client, conditions, lines, until_count, output)
    live(lambda stop: unless_stopped(stop, printer.work()))


class _Printer:
    """Prints each result once, those before it subscribed as well as those after."""

    def __init__(
        self, client: Client, conditions: Sequence[object], lines: int, until_count: int | None, output: TailOutput
    ) -> None:
        self._client = client
        self._conditions = conditions
        self._before = lines
        self._left = until_count
        self._output = output
        self._finished_ms: int | None = None
        self._known: set[tuple[int, int | None]] = set()
        self._order: deque[tuple[int, int | None]] = deque()
        self._done = asyncio.Event()

    async def work(self) -> None:
        """Print until all that are wanted are."""
        following = follow(
            self._client, self._conditions, on_open=self._catch_up, on_rows=self._print, on_lost=self._notice
        )
        await unless_stopped(self._done, following)

    async def _catch_up(self) -> None:
        """What is stored already: at first the newest, later what was missed."""
        if self._finished_ms is None:
            self._finished_ms = time.time_ns() // 1_000_000
            more: list[object] = [{"timestamp_from": 0}, {"limit": self._before}]
        else:
            more = [{"timestamp_from": self._finished_ms - _STORED_LATER_MS}, {"limit": _MOST_MISSED}]
        query = {"condition": [*self._conditions, *more], "detail": True}
        rows = await self._client.ask("task_query_task", {"task_data_query": query})
        self._print(msgspec.json.decode(rows, type=list[Raw])[::-1])

    def _print(self, rows: Sequence[Raw]) -> None:
        for text in rows:
            row = read_row(text)
            if not self._is_new(row) or self._done.is_set():
                continue
            console.out(bytes(text).decode()) if self._output is TailOutput.JSON else console.print(_line(row))
            if self._left is not None:
                self._left -= 1
                if not self._left:
                    self._done.set()

    def _is_new(self, row: Row) -> bool:
        """A row that was stored again, since its result came late, is."""
        key = (row.task_id, row.stored_at)
        if key in self._known:
            return False
        self._known.add(key)
        self._order.append(key)
        if len(self._order) > _REMEMBERED:
            self._known.discard(self._order.popleft())
        self._finished_ms = max(self._finished_ms or 0, row.timestamp or 0)
        return True

    def _notice(self, why: str) -> None:
        print(f"cronprobe: tail: {why}", file=sys.stderr, flush=True)  # noqa: T201


def _line(row: Row) -> str:
    return run_line(
        RunLine(
            due_ms=row.scheduled_at or row.sent_at or row.timestamp or 0,
            job=row.cron_source,
            agent=row.agent,
            type_name=row.type_name,
            outcome=row.outcome or "running",
            reason=row.reason,
            latency_ms=row.latency_ms,
            is_degraded=row.degraded,
            message=row.error_message or "",
        )
    )
