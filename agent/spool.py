"""
The results that one server has not acknowledged, each as the call that uploads it.

A result leaves when the server answered it for good. Until then it is sent again: after a reconnect, after an error
that may pass, and when no answer comes. Bounded: the oldest gives way. Time is an argument, in seconds.
"""

import asyncio
from collections import OrderedDict
from contextlib import suppress

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

from agent.frames import Reply
from protocol import jsonrpc
from protocol.events import TaskResponse, response_text
from protocol.outcomes import Reason

log = structlog.get_logger()

METHOD = "task_upload_task_result"
FRAME_RESULTS = 256
FRAME_BYTES = 1024 * 1024
LARGEST_RESPONSE = 9 * 1024 * 1024
ANSWER_LIMIT_S = 30.0
LONGEST_BACKOFF_S = 30.0
DROP_LOG_S = 60.0
ALREADY_UPLOADED = 108
# Answers that no second upload would change: no such task, refused, undecodable, not permitted.
FINAL_CODES = {105, ALREADY_UPLOADED, -32602, 102}


class _Held(Struct):
    """A result: its JSON, and how often in a row it was answered with an error that may pass."""

    response: bytes
    failures: int = 0


class Spool:
    """What this agent owes one server: tasks that run, and results without an answer."""

    def __init__(self, *, server_name: str, token: str, size: int) -> None:
        self._log = log.bind(server=server_name)
        self._token = msgspec.json.encode(token)
        self._size = size
        self._running: set[int] = set()
        self._held: OrderedDict[int, _Held] = OrderedDict()
        self._ready: OrderedDict[int, None] = OrderedDict()
        self._due_s: dict[int, float] = {}
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()
        self._dropped = 0
        self._drop_log_due_s = 0.0

    async def wait_empty(self) -> None:
        """Until every result was acknowledged."""
        await self._emptied.wait()

    def renew(self, *, token: str, size: int) -> None:
        """The agent starts anew: what ran is gone, what was found is kept and sent with this token."""
        self._token = msgspec.json.encode(token)
        self._size = size
        self._running.clear()

    def claim(self, task_id: int) -> bool:
        """Whether the task is new here; from now on it is not, until its result is acknowledged."""
        if task_id in self._running or task_id in self._held:
            return False
        self._running.add(task_id)
        return True

    def put(self, response: TaskResponse, now_s: float) -> None:
        """Keep the result of a claimed task, and let it wait for the connection."""
        self._running.discard(response.task_id)
        self._held[response.task_id] = _Held(_text(response))
        self._emptied.clear()
        self._make_ready(response.task_id)
        if len(self._held) > self._size:
            self._drop_oldest(now_s)

    def next_frame(self, now_s: float) -> bytes | None:
        """As many waiting results as one frame takes, now awaiting their answer; ``None`` when none waits."""
        for task_id in [task_id for task_id, due_s in self._due_s.items() if due_s <= now_s]:
            self._make_ready(task_id)
        uploads: list[bytes] = []
        room = FRAME_BYTES
        while self._ready and len(uploads) < FRAME_RESULTS:
            task_id = next(iter(self._ready))
            response = self._held[task_id].response
            if uploads and len(response) > room:
                break
            del self._ready[task_id]
            self._due_s[task_id] = now_s + ANSWER_LIMIT_S
            uploads.append(jsonrpc.call(task_id, METHOD, b"[%b,%b]" % (self._token, response)))
            room -= len(response)
        if len(uploads) > 1:
            return jsonrpc.batch(uploads)
        return uploads[0] if uploads else None

    async def wait(self, limit_s: float) -> None:
        """Until a result is ready, at most ``limit_s``."""
        if not self._ready:
            self._filled.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(limit_s):
                    await self._filled.wait()

    def send_all_again(self) -> None:
        """The connection is a new one: nothing is on its way any more."""
        for task_id in self._held:
            self._make_ready(task_id)

    def answered(self, reply: Reply, now_s: float) -> None:
        """The server answered the upload whose id ``reply`` has; ids of other calls are ignored."""
        task_id = reply.id
        if not isinstance(task_id, int) or task_id not in self._held:
            return
        if reply.code is None or reply.code in FINAL_CODES:
            self._forget(task_id)
            self._log_refusal(task_id, reply)
            return
        held = self._held[task_id]
        pause_s = min(2.0**held.failures, LONGEST_BACKOFF_S)
        held.failures = min(held.failures + 1, 5)
        self._ready.pop(task_id, None)
        self._due_s[task_id] = now_s + pause_s
        self._log.warning("result not stored", task_id=task_id, code=reply.code, error=reply.message, again_s=pause_s)

    def _log_refusal(self, task_id: int, reply: Reply) -> None:
        if reply.code == ALREADY_UPLOADED and "already been uploaded" in reply.message:
            self._log.debug("result already there", task_id=task_id)
        elif reply.code is not None:
            self._log.warning("result refused", task_id=task_id, code=reply.code, error=reply.message)

    def _make_ready(self, task_id: int) -> None:
        self._due_s.pop(task_id, None)
        self._ready[task_id] = None
        self._filled.set()

    def _forget(self, task_id: int) -> None:
        del self._held[task_id]
        if not self._held:
            self._emptied.set()
        self._ready.pop(task_id, None)
        self._due_s.pop(task_id, None)

    def _drop_oldest(self, now_s: float) -> None:
        self._forget(next(iter(self._held)))
        self._dropped += 1
        if now_s >= self._drop_log_due_s:
            self._drop_log_due_s = now_s + DROP_LOG_S
            self._log.warning("spool full: oldest results dropped", dropped=self._dropped, size=self._size)


def _text(response: TaskResponse) -> bytes:
    """The response's JSON; one that no server would take says so instead."""
    text = response_text(response, extensions=True)
    if len(text) <= LARGEST_RESPONSE:
        return text
    why = f"the body is too large for the upload: {len(text)} bytes, {LARGEST_RESPONSE} at most"
    failed = replace(
        response,
        success=False,
        error_message=f"Other error: {why}",
        task_event_result=None,
        reason=Reason.BODY.word,
    )
    return response_text(failed, extensions=True)
