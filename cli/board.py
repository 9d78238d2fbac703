"""What ``top`` shows: how each job stands on each agent. Counts are of a window, the last run is of any time."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from cli.client import CallRefused, Client
from cli.rows import Row, read_rows

_NEWEST = 2_000
_MOST_ASKED = 200
_ORDER = {"failed": 0, "unknown": 1, None: 3, "ok": 5}
_DEGRADED, _IN_MAINTENANCE = 2, 4
_ROUNDS_AWAY = 3


class Standing(Struct, kw_only=True):
    """
    A job on an agent. ``ended_ms``, ms since the epoch, is of the last run; ``outcome``, ``latency_ms``, ``degraded``
    and ``maintenance`` are of the worst among the last runs of its cells, ``reason`` of the last run that was not ok.
    ``None`` is what is not known.
    """

    job: str
    agent_uuid: str
    agent: str
    outcome: str | None = None
    latency_ms: float | None = None
    p95_ms: float | None = None
    ok: int = 0
    failed: int = 0
    unknown: int = 0
    reason: str | None = None
    ended_ms: int | None = None
    degraded: bool = False
    maintenance: bool = False

    @property
    def rank(self) -> int:
        """What is to be looked at first has the least."""
        if self.maintenance:
            return _IN_MAINTENANCE
        return _DEGRADED if self.degraded else _ORDER.get(self.outcome, _ORDER[None])


class _Cell(Struct):
    """The last run of one of a job's tasks on an agent, and how many runs of the others came since."""

    row: Row
    others_since: int = 0


class Board:
    """
    All standings. ``job`` and ``agent_uuid`` narrow them down, ``None`` does not; ``window_ms`` is how far back runs
    are counted.
    """

    def __init__(self, *, client: Client, job: str | None, agent_uuid: str | None, window_ms: int) -> None:
        self._client = client
        self._job = job
        self._agent_uuid = agent_uuid
        self._window_ms = window_ms
        self._standings: dict[tuple[str, str], Standing] = {}
        self._cells: dict[tuple[str, str], dict[bytes, _Cell]] = {}

    @property
    def conditions(self) -> list[object]:
        """Those of the rows that matter."""
        of_job = [] if self._job is None else [{"cron_source": self._job}]
        of_agent = [] if self._agent_uuid is None else [{"uuid": self._agent_uuid}]
        return [*of_job, *of_agent]

    def standings(self) -> list[Standing]:
        """
        Failing ones first, then unknown and degraded ones, what has not run, what is in maintenance, what is ok; each
        by job and agent.
        """
        return sorted(self._standings.values(), key=lambda one: (one.rank, one.job, one.agent))

    async def read(self, now_ms: int) -> None:
        """
        What the server knows at this moment.

        Raises:
            ServerUnreachable: it does not answer.
            CallRefused: the token may not read rows.
        """
        self._take_last(await self._rows({"timestamp_to": now_ms}, {"limit": _NEWEST}))
        for job, uuid in sorted(await self._declared() - self._standings.keys())[:_MOST_ASKED]:
            self._standing(job, uuid, None)
            last = ({"cron_source": job}, {"uuid": uuid}, {"timestamp_to": now_ms}, {"limit": 1})
            self._take_last(await self._rows(*last))
        await self.count(now_ms)

    async def count(self, now_ms: int) -> None:
        """The counts of the window anew; see ``read``."""
        conditions = [*self.conditions, {"timestamp_from": now_ms - self._window_ms}]
        query = {"condition": conditions, "group_by": ["cron_source", "agent"]}
        answer = await self._client.ask("task_stats", {"task_stats_query": query}, timeout_s=120)
        groups = {(group["cron_source"], group["agent_uuid"]): group for group in msgspec.json.decode(answer)}
        for job, uuid in groups.keys() - self._standings.keys():
            if job is not None:
                self._standing(job, uuid, groups[job, uuid]["agent_name"])
        for key, one in self._standings.items():
            group = groups.get(key, {})
            one.ok, one.failed, one.unknown = (group.get(name, 0) for name in ("ok", "failed", "unknown"))
            one.p95_ms = (group.get("latency_ms") or {}).get("p95")

    def take(self, rows: Iterable[Row]) -> None:
        """Rows that have just ended, oldest first."""
        for row in rows:
            if row.cron_source is not None and row.outcome in ("ok", "failed", "unknown"):
                one = self._last(row, row.cron_source)
                setattr(one, row.outcome, getattr(one, row.outcome) + 1)

    def _take_last(self, newest_first: Sequence[Row]) -> None:
        for row in reversed(newest_first):
            if row.cron_source is not None:
                self._last(row, row.cron_source)

    def _last(self, row: Row, job: str) -> Standing:
        """The row's standing, of which it is the last run unless a later one is known."""
        one = self._standing(job, row.uuid, row.agent_name)
        cells = self._cells.setdefault((job, row.uuid), {})
        task = msgspec.json.encode(row.task_event_type)
        known = cells.get(task)
        if known is None or (row.timestamp or 0) >= (known.row.timestamp or 0):
            _put(cells, task, row)
            worst = min((cell.row for cell in cells.values()), key=_badness)
            one.outcome, one.latency_ms = worst.outcome, worst.latency_ms
            one.degraded, one.maintenance = worst.degraded, worst.maintenance
        if (row.timestamp or 0) >= (one.ended_ms or 0):
            one.ended_ms = row.timestamp
            one.reason = row.reason or one.reason
        return one

    def _standing(self, job: str, uuid: str, agent: str | None) -> Standing:
        one = self._standings.setdefault((job, uuid), Standing(job=job, agent_uuid=uuid, agent=agent or uuid))
        one.agent = agent or one.agent
        return one

    async def _rows(self, *more: object) -> Sequence[Row]:
        query = {"condition": [*self.conditions, *more], "detail": True}
        return read_rows(await self._client.ask("task_query_task", {"task_data_query": query}))

    async def _declared(self) -> set[tuple[str, str]]:
        """Each enabled job with each of its agents; none where the token may not see the job file."""
        try:
            jobs: list[dict[str, Any]] = msgspec.json.decode(await self._client.ask("crontab_get", {}))
        except CallRefused:
            return set()
        return {
            (job["name"], uuid)
            for job in jobs
            if job["enable"] and self._job in (None, job["name"])
            for uuid in job["cron_type"]["agent"][0]
            if self._agent_uuid in (None, uuid)
        }


def _put(cells: dict[bytes, _Cell], task: bytes, row: Row) -> None:
    """Note a cell's last run, and forget cells that have left the job: the others ran again and again without them."""
    for cell in cells.values():
        cell.others_since += 1
    cells[task] = _Cell(row)
    most = _ROUNDS_AWAY * len(cells)
    for gone in [key for key, cell in cells.items() if cell.others_since > most]:
        del cells[gone]


def _badness(row: Row) -> tuple[int, int]:
    """Orders runs: the worst first, and of those the newest."""
    rank = _DEGRADED if row.degraded else _ORDER.get(row.outcome, _ORDER[None])
    return rank, -(row.timestamp or 0)
