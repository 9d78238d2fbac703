"""
THE SEAM between scheduler and task server, and its form for a server in another process: JSON-RPC over HTTP POST.

A server in the same process is handed in as it is. Nothing here retries: the runner does.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import aiohttp
import msgspec
from msgspec import Raw, Struct
from yarl import URL

from protocol import jsonrpc
from protocol.crontab import DeclaredJob, Gap
from protocol.errors import ConfigError, Error
from protocol.methods.task import Created, NewTask
from protocol.reading import MALFORMED
from protocol.urls import public_part

LARGEST_CALL = 5_000
LARGEST_CALL_BYTES = 8 * 1024 * 1024
_REST_OF_TASK_BYTES = 1_024
TIMEOUT_S = 10.0


class TaskServerAway(Error):
    """The task server cannot be reached, or what answers there is none; whether anything was created is not known."""


class TaskServerRefused(Error):
    """The task server answered a whole call with an error, ``message``, such as that of a wrong token."""

    def __init__(self, where: str, message: str) -> None:
        self.message = message
        super().__init__(f"{where}: the task server refused: {message}")


class TaskServer(Protocol):
    """Where due tasks go."""

    async def create_tasks(self, batch: Sequence[NewTask]) -> list[Created]:
        """
        Create the tasks of ``batch`` and give the answer to each, in order. What exists already is not created again.

        Raises:
            TaskServerAway: it cannot be reached.
            TaskServerRefused: it takes none of them.
        """
        ...

    async def declare(self, jobs: Sequence[DeclaredJob], before_ms: int) -> Mapping[str, int]:
        """
        Let callers be shown these jobs, in the place of those declared before.

        The answer says when jobs that ran already had their last tick before ``before_ms``, ms since the epoch; with 0
        nothing is asked.

        Raises:
            TaskServerAway: it cannot be reached.
            TaskServerRefused: it does not take them, or they are too many for one call.
        """
        ...

    async def record_gaps(self, gaps: Sequence[Gap]) -> None:
        """
        Keep ticks that were missed; those that are kept already are not kept twice.

        Raises:
            TaskServerAway, TaskServerRefused: as in ``declare``.
        """
        ...


_NOTHING = Raw(b"null")


class _Failure(Struct):
    message: str


class _Reply(Struct):
    result: Raw = _NOTHING
    error: _Failure | None = None


class _Declared(Struct):
    last_ticks: dict[str, int] = {}


_read_declared = msgspec.json.Decoder(_Declared).decode
_read_reply = msgspec.json.Decoder(_Reply).decode
_read_created = msgspec.json.Decoder(list[Created]).decode


class RpcTaskServer:
    """A task server behind ``url``, called in chunks that it can take."""

    def __init__(self, *, session: aiohttp.ClientSession, url: str, token: str) -> None:
        self._session = session
        self._url = url
        self._where = public_part(url)
        self._token = token
        self._calls = 0

    async def create_tasks(self, batch: Sequence[NewTask]) -> list[Created]:
        """See ``TaskServer``."""
        created: list[Created] = []
        for part in _parts(batch):
            created += await self._create(part)
        return created

    async def declare(self, jobs: Sequence[DeclaredJob], before_ms: int) -> Mapping[str, int]:
        """See ``TaskServer``."""
        params = msgspec.json.encode([self._token, jobs, before_ms])
        if len(params) > LARGEST_CALL_BYTES:
            raise TaskServerRefused(
                self._where, f"the declared jobs have {len(params)} bytes, more than a call may have"
            )
        try:
            return _read_declared(await self._call("job_declare", params)).last_ticks
        except MALFORMED as e:
            raise TaskServerAway(f"{self._where}: no answer to a declaration: {e}; is it a cronprobe server?") from e

    async def record_gaps(self, gaps: Sequence[Gap]) -> None:
        """See ``TaskServer``."""
        for start in range(0, len(gaps), LARGEST_CALL):
            part = gaps[start : start + LARGEST_CALL]
            await self._call("job_record_gaps", msgspec.json.encode([self._token, part]))

    async def _create(self, tasks: Sequence[NewTask]) -> list[Created]:
        result = await self._call("task_create_batch", msgspec.json.encode([self._token, tasks]))
        try:
            created = _read_created(result)
        except MALFORMED as e:
            raise TaskServerAway(f"{self._where}: no answer to tasks: {e}; is it a cronprobe server?") from e
        if len(created) != len(tasks):
            what = f"{len(created)} answers to {len(tasks)} tasks"
            raise TaskServerAway(f"{self._where}: {what}; is it a cronprobe server?")
        return created

    async def _call(self, method: str, params: bytes) -> Raw:
        self._calls += 1
        reply = await self._post(jsonrpc.call(self._calls, method, params))
        if reply.error is not None:
            raise TaskServerRefused(self._where, reply.error.message)
        if bytes(reply.result) == b"null":
            raise TaskServerAway(f"{self._where}: no answer to {method}; is it a cronprobe server?")
        return reply.result

    async def _post(self, body: bytes) -> _Reply:
        try:
            async with self._session.post(self._url, data=body, allow_redirects=False) as response:
                text = await response.read()
        except (aiohttp.ClientError, OSError) as e:
            raise TaskServerAway(f"{self._where}: cannot be reached: {e or type(e).__name__}; is it running?") from e
        if response.status != 200:
            raise TaskServerAway(f"{self._where}: answered HTTP {response.status}; is it a cronprobe server?")
        try:
            return _read_reply(text)
        except MALFORMED as e:
            raise TaskServerAway(f"{self._where}: no JSON-RPC reply: {e}; is it a cronprobe server?") from e


def _parts(batch: Sequence[NewTask]) -> Iterator[list[NewTask]]:
    """The batch in calls that the server takes: not too many tasks, and not too many bytes."""
    part: list[NewTask] = []
    size = 0
    for task in batch:
        cost = len(bytes(task.task_type)) + _REST_OF_TASK_BYTES
        if part and (len(part) == LARGEST_CALL or size + cost > LARGEST_CALL_BYTES):
            yield part
            part, size = [], 0
        part.append(task)
        size += cost
    if part:
        yield part


@asynccontextmanager
async def open_rpc_task_server(url: str, token: str) -> AsyncIterator[RpcTaskServer]:
    """
    The task server at an ``http`` or ``https`` URL; ``token`` has to permit creating tasks. Nothing is sent yet.

    Raises:
        ConfigError: ``url`` is none of these.
    """
    if URL(url).scheme not in ("http", "https") or not URL(url).host:
        raise ConfigError(f"task server '{url}': not an address; want http://host:port or https://host:port")
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    headers = {"content-type": "application/json"}
    async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
        yield RpcTaskServer(session=session, url=url, token=token)
