"""
The way of a result: checked against what runs, judged, stored, measured, answered.

In this order, so that an acknowledged result is durable and a metric never claims what a query does not find. The
first result of a task wins; one that comes after the deadline replaces ``no_result`` and is marked late.
"""

from collections.abc import Callable, Mapping, Sequence
from hmac import compare_digest

import msgspec
import structlog
from msgspec import Struct

from protocol.errors import AgentUnreachable, InvalidInput, NotFound, PermissionDenied, RpcError, StoreFailed
from protocol.events import TaskResponse
from protocol.outcomes import Reason
from protocol.secrets import are_lost, cover, cover_json
from protocol.tasks import TASK_TYPES, read_shown_task, stored_text
from server.expect import Verdict, judge
from server.expectations import prepared_again
from server.metrics.details import NOTHING, read_detail
from server.metrics.own import OwnMetrics
from server.metrics.stats import Run
from server.running import RunningTask, RunningTasks
from server.series import SeriesBook
from server.sessions import Sessions
from server.store.interface import DEGRADED, LATE, FinishRow, FinishTasks, ReplaceLate, ResultRow, Store, StoredTask
from server.writer import Writer

log = structlog.get_logger()

MayWrite = Callable[[str, str | None], bool]
"""Whether the uploader may write results of (agent UUID, task type); ``None`` asks for any type at all."""

_FRESH_MS = 60_000
"""A result that waited longer in its agent's spool says nothing about the agent's clock."""
_READ_AT_ONCE = 1_000
_LARGEST_ID = 2**63
_NOT_FOUND = "Task validation failed: Invalid ID, UUID, or Token"
_WITHHELD = "withheld, for it may hold secrets that the server does not know since it was restarted"
_UPLOADED = "Task result has already been uploaded"


class Finished(Struct, frozen=True):
    """A run that ended and is stored; ``response`` is ``None`` when the agent said nothing."""

    task: RunningTask
    finished_ms: int
    verdict: Verdict
    response: TaskResponse | None

    @property
    def reason(self) -> Reason | None:
        """Why it is not ok."""
        return self.verdict.reason

    @property
    def message(self) -> str:
        """What was wrong, as people may see it; ``""`` when nothing was said."""
        said = None if self.response is None else self.response.error_message
        if self.task.series.are_secrets_lost:
            return _WITHHELD
        return cover(self.verdict.message or said or "", self.task.series.secrets)


OnFinished = Callable[[Sequence[Finished]], None]
OnStored = Callable[[Sequence[int]], None]


class Results:
    """
    Ends tasks: by an agent's response, or by a reason of ours.

    ``on_stored`` is told the ids of all rows whose end was committed, late ones too.
    """

    def __init__(
        self,
        *,
        running: RunningTasks,
        series: SeriesBook,
        sessions: Sessions,
        writer: Writer,
        store: Store,
        metrics: OwnMetrics,
        now_ms: Callable[[], int],
        on_stored: OnStored,
    ) -> None:
        self._running = running
        self._series = series
        self._sessions = sessions
        self._writer = writer
        self._store = store
        self._metrics = metrics
        self._now_ms = now_ms
        self._on_stored = on_stored
        self._listeners: list[OnFinished] = []

    def listen(self, listener: OnFinished) -> None:
        """Call ``listener`` with every group of stored runs; it must be quick."""
        self._listeners.append(listener)

    async def upload(self, responses: Sequence[TaskResponse], may_write: MayWrite) -> list[int | RpcError]:
        """
        Store the responses in one commit; the answer to each is its task's id or why it was refused.

        The caller must not cancel this when its connection ends: what is committed is still to be measured.
        """
        answers: list[int | RpcError] = [response.task_id for response in responses]
        taken: list[tuple[int, RunningTask, TaskResponse]] = []
        not_running: list[tuple[int, TaskResponse]] = []
        for place, response in enumerate(responses):
            try:
                task = self._take(response, may_write)
            except RpcError as e:
                answers[place] = e
            else:
                if task is None:
                    not_running.append((place, response))
                else:
                    taken.append((place, task, response))
        try:
            await self._end([(task, response) for _, task, response in taken])
        except StoreFailed as e:
            for place, _, _ in taken:
                answers[place] = e
        if not_running:
            await self._writer.write(FinishTasks(()))  # whatever ended them is committed now
            stored = await self._stored([response.task_id for _, response in not_running])
            for place, response in not_running:
                try:
                    await self._upload_late(response, stored.get(response.task_id), may_write)
                except RpcError as e:
                    answers[place] = e
        for answer in answers:
            if isinstance(answer, RpcError):
                self._metrics.results_rejected.labels(_rejection(answer)).inc()
        return answers

    def _take(self, response: TaskResponse, may_write: MayWrite) -> RunningTask | None:
        """The task that the response ends, no longer running; ``None`` when it does not run."""
        if not may_write(response.agent_uuid, None):
            raise PermissionDenied("Permission Denied: Missing Task Write permission for this Agent")
        task = self._running.get(response.task_id)
        if task is not None:
            _check(task, response, may_write)
            self._running.take(task.id)
        return task

    async def _end(self, ended: Sequence[tuple[RunningTask, TaskResponse]]) -> None:
        if not ended:
            return
        now = self._now_ms()
        rows, results, finished = [], [], []
        for task, response in ended:
            series = task.series
            verdict = judge(series.type, response, series.expectations, now)
            rows.append(_row(task.id, task.sent_ms, response, verdict, now, task.flags))
            result = _result_row(
                series.type_name, response, verdict, None if series.are_secrets_lost else series.secrets
            )
            if result is not None:
                results.append(result)
            finished.append(Finished(task, response.timestamp, verdict, response))
        try:
            await self._writer.write(FinishTasks(rows, results))
        except StoreFailed:
            self._running.put_back([task for task, _ in ended])
            raise
        self._measure(finished)
        for task, response in ended:
            if task.waiter is not None and not task.waiter.done():
                task.waiter.set_result(response)

    async def give_up(self, tasks: Sequence[RunningTask], reason: Reason) -> None:
        """
        End tasks for a reason of ours; they have been taken from the running ones.

        Raises:
            StoreFailed: they run on.
        """
        now = self._now_ms()
        rows = [
            FinishRow(task.id, task.sent_ms, None, now, now, False, int(reason), None, task.flags) for task in tasks
        ]
        try:
            await self._writer.write(FinishTasks(rows))
        except StoreFailed:
            self._running.put_back(tasks)
            raise
        verdict = Verdict(reason, None)
        self._measure([Finished(task, now, verdict, None) for task in tasks])
        for task in tasks:
            if task.waiter is not None and not task.waiter.done():
                task.waiter.set_exception(AgentUnreachable(f"Task {task.id} ended without a result: {reason.word}"))

    def measure_stillborn(self, tasks: Sequence[RunningTask], reason: Reason) -> None:
        """Count tasks that were stored with their end."""
        now = self._now_ms()
        verdict = Verdict(reason, None)
        self._measure([Finished(task, now, verdict, None) for task in tasks])

    def _measure(self, finished: Sequence[Finished]) -> None:
        now = self._now_ms()
        for run in finished:
            stats = run.task.series.stats
            if stats is not None:
                stats.record(_recorded(run, now))
        answered = [run for run in finished if run.response is not None]
        if answered:
            newest = answered[-1]
            is_fresh = newest.task.sent_ms is not None and now - newest.task.sent_ms < _FRESH_MS
            self._sessions.seen(newest.task.series.agent_uuid, now, newest.finished_ms if is_fresh else None)
            if newest.task.sent_ms is not None:
                self._metrics.result_seconds.observe(max(0, now - newest.task.sent_ms) / 1000, len(answered))
        self._on_stored([run.task.id for run in finished])
        for listener in self._listeners:
            try:
                listener(finished)
            except Exception:  # a door: what is stored stays stored, whatever a listener does with it
                log.exception("listener failed")

    async def _stored(self, ids: Sequence[int]) -> dict[int, StoredTask]:
        """The rows with these ids."""
        known = sorted({id_ for id_ in ids if id_ < _LARGEST_ID})
        parts = [known[start : start + _READ_AT_ONCE] for start in range(0, len(known), _READ_AT_ONCE)]
        return {row.id: row for part in parts for row in await self._store.select([], among=part)}

    async def _upload_late(self, response: TaskResponse, row: StoredTask | None, may_write: MayWrite) -> None:
        """The task does not run: it ended, by another upload or by its deadline, or it never was."""
        if row is None or not _is_of(row, response):
            raise NotFound(_NOT_FOUND)
        if row.finished_ms is None:
            raise StoreFailed("an upload of this result could not be stored; send it again")
        if row.reason != Reason.NO_RESULT:
            raise InvalidInput(_UPLOADED)
        task_type = TASK_TYPES[read_shown_task(row.spec.encode()).name]
        _check_type(task_type.name, response, may_write)
        now = self._now_ms()
        secrets = self._series.secrets_of(row)
        expectations = None if row.expect is None else prepared_again(row.expect, secrets)
        verdict = judge(task_type, response, expectations, now)
        late = _row(row.id, row.sent_ms, response, verdict, now, row.flags | LATE)
        are_some_lost = row.cron_source is not None and are_lost(row.spec + (row.expect or ""), secrets)
        covered = None if are_some_lost else secrets
        if not await self._writer.write(ReplaceLate(late, _result_row(task_type.name, response, verdict, covered))):
            raise InvalidInput(_UPLOADED)
        self._metrics.results_late.inc()
        self._on_stored([row.id])
        log.info("result came late", task_id=row.id, cron_source=row.cron_source, agent=row.agent_uuid)


def _recorded(run: Finished, now: int) -> Run:
    """The run as metrics take it."""
    verdict = run.verdict
    return Run(
        verdict.reason,
        verdict.latency_ms,
        run.task.scheduled_ms,
        verdict.is_degraded,
        NOTHING if run.response is None else read_detail(run.response.detail),
        run.task.id,
        now,
    )


def _check(task: RunningTask, response: TaskResponse, may_write: MayWrite) -> None:
    if task.series.agent_uuid != response.agent_uuid or not _same(task.token, response.task_token):
        raise NotFound(_NOT_FOUND)
    _check_type(task.series.type_name, response, may_write)


def _is_of(row: StoredTask, response: TaskResponse) -> bool:
    return row.agent_uuid == response.agent_uuid and _same(row.token, response.task_token)


def _same(ours: str, given: str) -> bool:
    return compare_digest(ours.encode(), given.encode())


def _check_type(type_name: str, response: TaskResponse, may_write: MayWrite) -> None:
    if not may_write(response.agent_uuid, type_name):
        denied = f"Permission Denied: Missing Task Write ({type_name}) permission for this Agent"
        raise PermissionDenied(denied)
    result = response.task_event_result
    if result is not None and result.name != type_name:
        raise InvalidInput(f"task_event_result is {result.name}, the task is {type_name}")


def _row(
    id_: int, sent_ms: int | None, response: TaskResponse, verdict: Verdict, now: int, flags: int = 0
) -> FinishRow:
    return FinishRow(
        id_,
        sent_ms,
        response.started_at,
        _wrapped(response.timestamp),
        now,
        verdict.reason is None,
        None if verdict.reason is None else int(verdict.reason),
        verdict.latency_ms,
        flags | DEGRADED if verdict.is_degraded else flags,
    )


def _wrapped(value: int) -> int:
    """Stored times are signed 64-bit: larger ones wrap to negative, as in a stock server."""
    return value if value < 2**63 else value - 2**64


def _result_row(
    type_name: str, response: TaskResponse, verdict: Verdict, secrets: Mapping[str, str] | None
) -> ResultRow | None:
    """
    What must be kept beside the row; ``None`` when the row says it all: no words, and nothing but a latency.

    ``secrets`` ``None`` means that some were lost: what the agent says may hold them, and cannot be shown.
    """
    result = response.task_event_result
    message = response.error_message if verdict.message is None else verdict.message
    in_row = result is None or (TASK_TYPES[type_name].is_latency and verdict.latency_ms is not None)
    if in_row and message is None and response.detail is None:
        return None
    if secrets is None:
        return ResultRow(response.task_id, _WITHHELD, None, None)
    return ResultRow(
        response.task_id,
        None if message is None else cover(message, secrets),
        None if result is None else cover_json(stored_text(result).decode(), secrets),
        None
        if response.detail is None
        else cover_json(msgspec.json.encode(response.detail, order="sorted").decode(), secrets),
    )


def _rejection(error: RpcError) -> str:
    kinds = {NotFound: "unknown_task", PermissionDenied: "permission", StoreFailed: "store"}
    return kinds.get(type(error), "uploaded" if error.message.endswith(_UPLOADED) else "variant")
