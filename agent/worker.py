"""
Takes tasks and sees to it that each ends in a result: permission, seat, time limit, probe.

A task that is refused is answered at once. Probes of the network share seats; terminals have a number of their own and
no time limit. A failure on our side before the target was asked is never a verdict on the target.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import assert_never

import structlog
from msgspec import Raw, Struct
from msgspec.structs import replace

from agent.config import ServerConfig
from agent.permissions import switch_of
from agent.probes.interface import Ending, Failed, Found, Kind, Probe, Work
from agent.spool import Spool
from protocol.errors import Unreadable
from protocol.events import TaskEvent, TaskResponse, read_event
from protocol.outcomes import Reason
from protocol.reading import Reader, plain
from protocol.tasks.interface import Result

log = structlog.get_logger()

LONGEST_LIMIT_MS = 86_400_000
WAY_BACK_MS = 250
NOT_ALLOWED = "Permission denied: Permission Denied: Task not allowed"


class _Identity(Struct):
    task_id: int
    task_token: str


_read_identity: Reader[_Identity] = plain(_Identity)


class Limits(Struct, frozen=True, kw_only=True):
    """
    How many run at once, and how long; the times hold for tasks that bring none.

    ``network_s`` is the run of a network probe, ``task_s`` the whole of any task but a terminal, in seconds.
    """

    network_seats: int
    terminals: int
    network_s: float
    task_s: float


class Origin(Struct, frozen=True, eq=False):
    """Where tasks come from, which types they may have, and where their results go."""

    server: ServerConfig
    permitted: frozenset[str]
    spool: Spool


def budget_s(timeout_ms: int) -> float:
    """How long a task may take of the server's whole ``timeout_ms``: the way back is kept free."""
    timeout_ms = min(timeout_ms, LONGEST_LIMIT_MS)
    return max(timeout_ms - WAY_BACK_MS, timeout_ms * 0.8) / 1000


def _timed_out(limit_s: float) -> str:
    return f"Other error: Task timed out after {limit_s:g}s"


class Worker:
    """Runs the tasks of all servers in ``group``. ``now_ms`` is the wall clock, ms since the epoch."""

    def __init__(
        self,
        *,
        agent_uuid: str,
        probes: Mapping[str, Probe],
        limits: Limits,
        now_ms: Callable[[], int],
        group: asyncio.TaskGroup,
    ) -> None:
        self._agent_uuid = agent_uuid
        self._probes = probes
        self._limits = limits
        self._seats = asyncio.Semaphore(limits.network_seats)
        self._terminals = 0
        self._now_ms = now_ms
        self._group = group
        self._runs: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    def accept(self, texts: Iterable[Raw], origin: Origin) -> None:
        """Start these tasks, or answer them; those that run or wait in the spool already are left alone."""
        if self._is_stopping:
            return
        for text in texts:
            try:
                event = read_event(text)
            except Unreadable as e:
                self._answer_unreadable(text, str(e), origin.spool)
                continue
            if not origin.spool.claim(event.task_id):
                log.debug("task came twice", task_id=event.task_id)
            elif event.task.name in origin.permitted:
                run = self._group.create_task(self._run(event, origin), name=f"task {event.task_id}")
                self._runs.add(run)
                run.add_done_callback(self._runs.discard)
            else:
                detail = {"switch": switch_of(origin.server, event.task.name)}
                self._end(event, None, Failed(Reason.REFUSED, NOT_ALLOWED, detail), origin.spool)

    async def stop(self, grace_s: float) -> None:
        """Take no more tasks, let the running ones end within ``grace_s``, cancel the rest."""
        self._is_stopping = True
        if self._runs:
            await asyncio.wait(self._runs, timeout=grace_s)
        for run in self._runs:
            run.cancel()

    def _answer_unreadable(self, text: Raw, why: str, spool: Spool) -> None:
        log.warning("unreadable task", why=why)
        try:
            identity = _read_identity(text)
        except Unreadable:
            return
        if spool.claim(identity.task_id):
            failed = Failed(Reason.REFUSED, f"Other error: {why}")
            spool.put(self._response(identity, None, failed), asyncio.get_running_loop().time())

    async def _run(self, event: TaskEvent, origin: Origin) -> None:
        probe = self._probes[event.task.name]
        work = Work(event, self._agent_uuid, origin.server.ignore_cert)
        match probe.kind:
            case Kind.NETWORK:
                started_at, ending = await self._with_seat(probe, work)
            case Kind.LOCAL:
                limit_s = self._task_s(event)
                started_at = self._now_ms()
                ending = await self._within(limit_s, Failed(Reason.TIMEOUT, _timed_out(limit_s)), probe, work)
            case Kind.TERMINAL:
                started_at, ending = self._now_ms(), await self._terminal(probe, work)
            case _:
                assert_never(probe.kind)
        self._end(event, started_at, ending, origin.spool)

    def _task_s(self, event: TaskEvent) -> float:
        return self._limits.task_s if event.timeout_ms is None else budget_s(event.timeout_ms)

    async def _with_seat(self, probe: Probe, work: Work) -> tuple[int | None, Ending]:
        """
        A run that waits for its seat.

        A wait that leaves the probe less than half of its time makes a time-out a failure of ours, not of the target.
        """
        task_s = self._task_s(work.event)
        run_s = self._limits.network_s if work.event.timeout_ms is None else task_s
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + task_s
        try:
            async with asyncio.timeout_at(ends_s):
                await self._seats.acquire()
        except TimeoutError:
            return None, Failed(Reason.INTERNAL, self._no_seat(work.event, task_s))
        try:
            started_at = self._now_ms()
            left_s = ends_s - loop.time()
            if left_s < min(run_s, task_s) / 2:
                late = Failed(Reason.INTERNAL, self._no_seat(work.event, task_s))
                return started_at, await self._within(left_s, late, probe, work)
            is_pool = work.event.timeout_ms is not None or run_s <= left_s
            pool_limit = f"Other error: Network task timed out after {run_s:g}s (pool limit)"
            timed_out = Failed(Reason.TIMEOUT, pool_limit if is_pool else _timed_out(task_s))
            limit_s = min(run_s, left_s)
            return started_at, await self._within(
                limit_s, timed_out, probe, replace(work, ends_s=loop.time() + limit_s)
            )
        finally:
            self._seats.release()

    def _no_seat(self, event: TaskEvent, task_s: float) -> str:
        if event.timeout_ms is None:
            return _timed_out(task_s)
        return f"Other error: No seat in time within {task_s:g}s: all {self._limits.network_seats} were taken"

    async def _terminal(self, probe: Probe, work: Work) -> Ending:
        most = self._limits.terminals
        if self._terminals >= most:
            text = f"Other error: WebShell session limit reached (max {most} concurrent sessions)"
            return Failed(Reason.INTERNAL, text)
        self._terminals += 1
        try:
            return await self._within(None, None, probe, work)
        finally:
            self._terminals -= 1

    async def _within(self, limit_s: float | None, timed_out: Failed | None, probe: Probe, work: Work) -> Ending:
        """The probe's ending; when its time is up before, ``timed_out``, which is there when a limit is."""
        limit = asyncio.timeout(limit_s)
        try:
            async with limit:
                return await probe.run(work)
        except Exception as e:  # the worker's door: a bug in a probe is logged and becomes a result
            if timed_out is not None and limit.expired():
                return timed_out
            log.exception("probe failed", task_id=work.event.task_id, task_type=work.event.task.name)
            return Failed(Reason.INTERNAL, f"Other error: {e}")

    def _end(self, event: TaskEvent, started_at: int | None, ending: Ending, spool: Spool) -> None:
        identity = _Identity(event.task_id, event.task_token)
        result = Result(event.task.name, ending.payload) if isinstance(ending, Found) else None
        now_s = asyncio.get_running_loop().time()
        try:
            spool.put(self._response(identity, started_at, ending, result), now_s)
        except UnicodeEncodeError as e:
            log.warning("result cannot be encoded", task_id=event.task_id, why=str(e))
            failed = Failed(Reason.INTERNAL, "Other error: the result is no text that can be sent")
            spool.put(self._response(identity, started_at, failed), now_s)

    def _response(
        self, identity: _Identity, started_at: int | None, ending: Ending, result: Result | None = None
    ) -> TaskResponse:
        failed = ending if isinstance(ending, Failed) else None
        return TaskResponse(
            task_id=identity.task_id,
            agent_uuid=self._agent_uuid,
            task_token=identity.task_token,
            timestamp=self._now_ms(),
            success=failed is None,
            error_message=None if failed is None else failed.message,
            task_event_result=result,
            started_at=started_at,
            reason=None if failed is None else failed.reason.word,
            detail=ending.detail,
        )
