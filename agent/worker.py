"""
Takes tasks and sees to it that each ends in a result: permission, seat, time limit, probe.

A task of a type that is refused or has no probe is answered at once. All probes here use the network, so they share
the seats. A failure on our side before the target was asked is never a verdict on the target.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping

import structlog
from msgspec import Raw, Struct

from agent.probes.interface import Ending, Failed, Found, Probe
from agent.spool import Spool
from protocol.errors import Unreadable
from protocol.events import TaskEvent, TaskResponse, read_event
from protocol.outcomes import Reason
from protocol.reading import Reader, plain
from protocol.tasks.interface import Result

log = structlog.get_logger()

DEFAULT_LIMIT_S = 10.0
LONGEST_LIMIT_MS = 86_400_000
WAY_BACK_MS = 250
NOT_ALLOWED = "Permission denied: Permission Denied: Task not allowed"


class _Identity(Struct):
    task_id: int
    task_token: str


_read_identity: Reader[_Identity] = plain(_Identity)


def running_limit_s(timeout_ms: int | None) -> float:
    """
    How long a probe may run. ``timeout_ms`` is the server's whole budget, so the way back is kept free; ``None``: the
    limit of a stock agent.
    """
    if timeout_ms is None:
        return DEFAULT_LIMIT_S
    timeout_ms = min(timeout_ms, LONGEST_LIMIT_MS)
    return max(timeout_ms - WAY_BACK_MS, timeout_ms * 0.8) / 1000


class Worker:
    """Runs the tasks of all servers in ``group``. ``now_ms`` is the wall clock, ms since the epoch."""

    def __init__(
        self,
        *,
        agent_uuid: str,
        probes: Mapping[str, Probe],
        network_seats: int,
        now_ms: Callable[[], int],
        group: asyncio.TaskGroup,
    ) -> None:
        self._agent_uuid = agent_uuid
        self._probes = probes
        self._network_seats = network_seats
        self._seats = asyncio.Semaphore(network_seats)
        self._now_ms = now_ms
        self._group = group
        self._runs: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    def accept(self, texts: Iterable[Raw], *, permitted: frozenset[str], spool: Spool) -> None:
        """Start these tasks, or answer them; those that run or wait in the spool already are left alone."""
        if self._is_stopping:
            return
        for text in texts:
            try:
                event = read_event(text)
            except Unreadable as e:
                self._answer_unreadable(text, str(e), spool)
                continue
            if not spool.claim(event.task_id):
                log.debug("task came twice", task_id=event.task_id)
                continue
            self._admit(event, permitted, spool)

    async def stop(self, grace_s: float) -> None:
        """Take no more tasks, let the running ones end within ``grace_s``, cancel the rest."""
        self._is_stopping = True
        if self._runs:
            await asyncio.wait(self._runs, timeout=grace_s)
        for run in self._runs:
            run.cancel()

    def _admit(self, event: TaskEvent, permitted: frozenset[str], spool: Spool) -> None:
        name = event.task.name
        if name not in permitted:
            self._end(event, None, Failed(Reason.REFUSED, NOT_ALLOWED), spool)
        elif name not in self._probes:
            text = f"Other error: Task type not supported by this agent: {name}"
            self._end(event, None, Failed(Reason.REFUSED, text), spool)
        else:
            run = self._group.create_task(self._run(event, spool), name=f"task {event.task_id}")
            self._runs.add(run)
            run.add_done_callback(self._runs.discard)

    def _answer_unreadable(self, text: Raw, why: str, spool: Spool) -> None:
        log.warning("unreadable task", why=why)
        try:
            identity = _read_identity(text)
        except Unreadable:
            return
        if spool.claim(identity.task_id):
            failed = Failed(Reason.REFUSED, f"Other error: {why}")
            spool.put(self._response(identity, None, failed), asyncio.get_running_loop().time())

    async def _run(self, event: TaskEvent, spool: Spool) -> None:
        limit_s = running_limit_s(event.timeout_ms)
        try:
            async with asyncio.timeout(limit_s):
                await self._seats.acquire()
        except TimeoutError:
            text = f"Other error: No seat within {limit_s:g}s: all {self._network_seats} are taken"
            self._end(event, None, Failed(Reason.INTERNAL, text), spool)
            return
        try:
            started_at = self._now_ms()
            ending = await self._measure(event, limit_s)
        finally:
            self._seats.release()
        self._end(event, started_at, ending, spool)

    async def _measure(self, event: TaskEvent, limit_s: float) -> Ending:
        limit = asyncio.timeout(limit_s)
        try:
            async with limit:
                return await self._probes[event.task.name](event.task.payload)
        except Exception as e:
            if limit.expired():
                return Failed(Reason.TIMEOUT, f"Other error: Network task timed out after {limit_s:g}s (pool limit)")
            log.exception("probe failed", task_id=event.task_id, task_type=event.task.name)
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
