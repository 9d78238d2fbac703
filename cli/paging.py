"""
All rows that match, page by page, by conditions that the store has an index for.

The newest come first, of each agent where no job or agent is given. A page ends inside a millisecond that many rows
share; then the rest of that millisecond comes by ``before_id``, so that no row is told twice or never.
"""

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Raw

from cli.agents import list_agents
from cli.client import CallRefused, Client
from cli.rows import read_row

_ROWS = 5_000
_TOO_BIG = -32008


def pages(client: Client, conditions: Sequence[object], until_ms: int) -> Iterator[Sequence[Raw]]:
    """
    Rows that finished until then, each its JSON with ``detail``.

    Raises:
        ServerUnreachable: the server went away.
        CallRefused: the token may not read them.
    """
    for of_agent in _parts(client, conditions):
        yield from _pages(client, [*conditions, *of_agent], until_ms)


def count(client: Client, conditions: Sequence[object], until_ms: int) -> int:
    """How many rows ``pages`` gives."""
    query = {"condition": [*conditions, {"timestamp_to": until_ms}]}
    groups = msgspec.json.decode(client.call("task_stats", {"task_stats_query": query}, timeout_s=120))
    return sum(group["count"] for group in groups)


def _parts(client: Client, conditions: Sequence[object]) -> list[list[object]]:
    """Rows of all agents together would be sorted anew for each page; those of one lie in their order."""
    if any(isinstance(one, dict) and one.keys() & {"uuid", "cron_source"} for one in conditions):
        return [[]]
    try:
        return [[{"uuid": agent.uuid}] for agent in list_agents(client)]
    except CallRefused:
        return [[]]


def _pages(client: Client, conditions: Sequence[object], until_ms: int) -> Iterator[Sequence[Raw]]:
    size, before_id = _ROWS, None
    while True:
        place: list[object] = (
            [{"timestamp_to": until_ms}]
            if before_id is None
            else [{"timestamp_from_to": [until_ms, until_ms]}, {"before_id": before_id}]
        )
        size, rows = _page(client, [*conditions, *place], size)
        if rows:
            yield rows
        if len(rows) == size:
            last = read_row(rows[-1])
            until_ms, before_id = last.timestamp or 0, last.task_id
        elif before_id is None:
            return
        else:
            until_ms, before_id = until_ms - 1, None


def _page(client: Client, conditions: Sequence[object], size: int) -> tuple[int, list[Raw]]:
    """A page of this size, or of a smaller one where its rows say too much for an answer; with its size."""
    while True:
        query = {"condition": [*conditions, {"limit": size}], "detail": True}
        try:
            rows = client.call("task_query_task", {"task_data_query": query}, timeout_s=120)
        except CallRefused as e:
            if e.code != _TOO_BIG or size == 1:
                raise
            size = max(1, size // 4)
        else:
            return size, msgspec.json.decode(rows, type=list[Raw])
