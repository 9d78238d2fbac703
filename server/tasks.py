"""
The way in: new tasks are written in one commit, then put into their agents' outboxes.

A task of a schedule that cannot run gets its end in the same commit, so that every tick ends in exactly one row; a
task that somebody asked for by hand and that cannot run leaves no row.
"""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from protocol.errors import AgentUnreachable, InvalidInput, OtherFailure, RpcError, StoreFailed
from protocol.events import TaskResponse
from protocol.methods.task import Created, NewTask
from protocol.outcomes import Reason
from protocol.tasks.interface import Task
from server.deadlines import Deadlines
from server.metrics.jobs import JobMetrics
from server.results import Results
from server.running import RunningTask, RunningTasks, Series, make_task_tokens
from server.series import SeriesBook
from server.sessions import Sessions
from server.store.interface import MAINTENANCE, InsertTasks, StoredTask, TaskRow
from server.task_ids import TaskIds
from server.writer import Writer

log = structlog.get_logger()

_LONGEST_WAIT_MS = 300_000
_BY_HAND_MS = 660_000
"""Deadline of a task without a schedule: a stock agent ends any task after 600 s by itself."""
_TERMINAL_MS = 86_400_000

_END_OF_TIME_MS = 253_402_300_800_000
"""The year 10000."""
_NO_TIME = "scheduled_at is no time in ms since the epoch"

_Planned = tuple[int, RunningTask, Reason | None]
"""(place in the batch, task, the reason for which it ends at once)"""


class Tasks:
    """Creates tasks."""

    def __init__(
        self,
        *,
        ids: TaskIds,
        series: SeriesBook,
        sessions: Sessions,
        running: RunningTasks,
        deadlines: Deadlines,
        results: Results,
        writer: Writer,
        job_metrics: JobMetrics,
        now_ms: Callable[[], int],
    ) -> None:
        self._ids = ids
        self._series = series
        self._sessions = sessions
        self._running = running
        self._deadlines = deadlines
        self._results = results
        self._writer = writer
        self._job_metrics = job_metrics
        self._now_ms = now_ms

    async def create_tasks(self, batch: Sequence[NewTask]) -> list[Created]:
        """
        Create the tasks of a beat; the answer to each in its place.

        A caller that gives up waiting changes nothing: what is committed is also dispatched.

        Raises:
            StoreFailed: nothing was created.
        """
        return await asyncio.shield(self._create_tasks(batch))

    async def _create_tasks(self, batch: Sequence[NewTask]) -> list[Created]:
        found = await self._series.find(batch)
        ids = await self._ids.take(len(batch))
        answers = [Created(id=id_) for id_ in ids]
        planned = self._plan(batch, found, ids, answers)
        duplicates: dict[int, int] = await self._writer.write(
            InsertTasks([_row(task, reason) for _, task, reason in planned])
        )
        if duplicates:
            for place, task, _ in planned:
                if task.id in duplicates:
                    answers[place] = Created(id=duplicates[task.id], duplicate=True)
            planned = [plan for plan in planned if plan[1].id not in duplicates]
        for _, task, _ in planned:
            self._count_tick(task)
        await self._start([task for _, task, reason in planned if reason is None])
        self._count_stillborn(planned)
        return answers

    def _plan(
        self,
        batch: Sequence[NewTask],
        found: Sequence[Series | RpcError],
        ids: Sequence[int],
        answers: list[Created],
    ) -> list[_Planned]:
        now = self._now_ms()
        tokens = make_task_tokens(len(batch))
        room = {session.agent_uuid: session.room for session in self._sessions}
        planned: list[_Planned] = []
        started: set[int] = set()
        for place, (new, series) in enumerate(zip(batch, found, strict=True)):
            if isinstance(series, RpcError):
                answers[place] = Created(code=series.code, error=series.data or series.message)
                continue
            if not 0 <= new.scheduled_at < _END_OF_TIME_MS:
                answers[place] = Created(code=InvalidInput.code, error=f"{InvalidInput.prefix}{_NO_TIME}")
                continue
            left = room.get(series.agent_uuid)
            overlaps = new.skip_overlap and (series.lane.running > 0 or id(series.lane) in started)
            reason = _hindrance(left, new.scheduled_at + series.timeout_ms < now, overlaps)
            if left is not None:
                room[series.agent_uuid] = left - 1
            if reason is None:
                started.add(id(series.lane))
            elif reason is Reason.OVERLAP:
                answers[place] = Created(id=ids[place], overlap=True)
            deadline_ms = now + series.timeout_ms
            task = RunningTask(ids[place], tokens[place], series, new.scheduled_at, deadline_ms, now)
            if new.in_maintenance:
                task.flags = MAINTENANCE
            planned.append((place, task, reason))
        return planned

    def _count_tick(self, task: RunningTask) -> None:
        cron_source, scheduled_ms = task.series.cron_source, task.scheduled_ms
        if cron_source is not None and scheduled_ms is not None:
            self._job_metrics.tick(cron_source, scheduled_ms, in_maintenance=bool(task.flags & MAINTENANCE))

    def _count_stillborn(self, planned: Sequence[_Planned]) -> None:
        by_reason: dict[Reason, list[RunningTask]] = {}
        for _, task, reason in planned:
            if reason is not None:
                by_reason.setdefault(reason, []).append(task)
        for reason, tasks in by_reason.items():
            self._results.measure_stillborn(tasks, reason)

    async def _start(self, tasks: Sequence[RunningTask]) -> None:
        """Dispatch what is stored."""
        self._running.add(tasks)
        self._deadlines.watch(tasks)
        by_agent: dict[str, list[RunningTask]] = {}
        for task in tasks:
            by_agent.setdefault(task.series.agent_uuid, []).append(task)
        gone: list[RunningTask] = []
        for agent_uuid, theirs in by_agent.items():
            session = self._sessions.get(agent_uuid)
            if session is None:
                gone.extend(task for task in theirs if self._running.take(task.id))
            else:
                session.put(theirs)
        if gone:
            await self._give_up(gone)

    async def _give_up(self, gone: Sequence[RunningTask]) -> None:
        """Their agents left between the plan and the commit. If this fails, the deadline ends them."""
        try:
            await self._results.give_up(gone, Reason.AGENT_OFFLINE)
        except StoreFailed:
            log.warning("tasks of absent agents wait for their deadline", tasks=len(gone))

    async def create(self, agent_uuid: str, task: Task) -> int:
        """
        Create one task, by hand; answers its id.

        Raises:
            InvalidInput: the task makes no sense.
            AgentUnreachable: its agent is away; there is no row.
            StoreFailed: it was not created.
        """
        running = await asyncio.shield(self._create(agent_uuid, task))
        return running.id

    async def create_blocking(self, agent_uuid: str, task: Task, timeout_ms: int) -> TaskResponse:
        """
        Create one task and wait for its response, ``timeout_ms`` but 300,000 at most.

        Raises:
            OtherFailure: none came in time; the row stays and may still complete.
            InvalidInput, AgentUnreachable, StoreFailed: as in ``create``.
        """
        waiter: asyncio.Future[TaskResponse] = asyncio.get_running_loop().create_future()
        running = await asyncio.shield(self._create(agent_uuid, task, waiter))
        try:
            async with asyncio.timeout(min(timeout_ms, _LONGEST_WAIT_MS) / 1000):
                return await waiter
        except TimeoutError:
            raise OtherFailure(f"Task {running.id} timed out after {timeout_ms}ms") from None

    async def _create(
        self, agent_uuid: str, task: Task, waiter: asyncio.Future[TaskResponse] | None = None
    ) -> RunningTask:
        session = self._sessions.get(agent_uuid)
        if session is None:
            raise AgentUnreachable(f"Error sending task event: Agent {agent_uuid} is not connected")
        if session.room <= 0:
            raise AgentUnreachable(f"Error sending task event: too many tasks wait for agent {agent_uuid}")
        limit_ms = _TERMINAL_MS if task.name == "web_shell" else _BY_HAND_MS
        series = await self._series.once(agent_uuid, task, limit_ms)
        [id_] = await self._ids.take(1)
        now = self._now_ms()
        [token] = make_task_tokens(1)
        running = RunningTask(id_, token, series, None, now + limit_ms, now, None, waiter)
        await self._writer.write(InsertTasks([_row(running, None)]))
        await self._start([running])
        return running

    def resume(self, rows: Sequence[StoredTask]) -> None:
        """Take up tasks that ran when the server last ended; their time starts anew."""
        now = self._now_ms()
        tasks = [
            RunningTask(
                row.id,
                row.token,
                self._series.of_stored(row),
                row.scheduled_ms,
                now + row.timeout_ms,
                now,
                row.sent_ms,
                None,
                row.flags,
            )
            for row in rows
        ]
        self._running.add(tasks)
        self._deadlines.watch(tasks)
        for task in tasks:
            self._count_tick(task)


def _hindrance(room: int | None, is_late: bool, overlaps: bool) -> Reason | None:
    """Why a tick cannot be dispatched: agent away, the one before still runs, its time is over, its outbox is full."""
    if room is None:
        return Reason.AGENT_OFFLINE
    if overlaps:
        return Reason.OVERLAP
    return Reason.INTERNAL if is_late or room <= 0 else None


def _row(task: RunningTask, reason: Reason | None) -> TaskRow:
    series = task.series
    ended = None if reason is None else task.created_ms
    return TaskRow(
        task.id,
        series.job_id,
        series.spec_id,
        series.agent_id,
        task.scheduled_ms,
        series.timeout_ms,
        ended,
        ended,
        None if reason is None else False,
        None if reason is None else int(reason),
        task.token,
        task.flags,
    )
