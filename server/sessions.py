"""
Who is connected: agents, their sessions, and what waits for them.

One session an agent: the last registration wins. An outbox drains in as few frames as the agent takes: batches for a
cronprobe agent, a frame a task for a stock one, which loses tasks when more than 32 frames come in one gap.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

import structlog
from msgspec import Struct

from protocol.jsonrpc import batch, notification
from protocol.methods.task import ClientInfo
from server.metrics.own import OwnMetrics
from server.running import RunningTask

log = structlog.get_logger()

Send = Callable[[bytes], Awaitable[None]]

_METHOD = "task_register_task"
_REPLACED = "task_registration_replaced"
_FRAME_TASKS = 500
_LABEL_LENGTH = 64
_STOCK_BURST = 16
_STOCK_PAUSE_S = 0.005


class Session:
    """
    An agent's open registration. ``client`` is ``None`` for a stock agent.

    ``connection`` is what tells its connection from others; it is compared, never called.
    """

    def __init__(
        self,
        *,
        agent_uuid: str,
        subscription: int,
        client: ClientInfo | None,
        connection: object,
        send: Send,
        outbox_size: int,
        on_sent: Callable[[Sequence[RunningTask]], None],
    ) -> None:
        self.agent_uuid = agent_uuid
        self.subscription = subscription
        self.client = client
        self.connection = connection
        self._send = send
        self._room = outbox_size
        self._on_sent = on_sent
        self._outbox: deque[RunningTask] = deque()
        self._filled = asyncio.Event()
        self._is_replaced = False

    @property
    def room(self) -> int:
        """How many more tasks the outbox takes."""
        return self._room - len(self._outbox)

    def put(self, tasks: Iterable[RunningTask]) -> None:
        """Let them wait for the connection; the caller has looked at ``room``."""
        self._outbox.extend(tasks)
        self._filled.set()

    def replaced(self) -> None:
        """Another connection registered this agent: what waits is still sent, then a notice, and that is the end."""
        self._is_replaced = True
        self._filled.set()

    async def drain(self) -> None:
        """Send what waits, until cancelled or replaced."""
        while not self._is_replaced:
            await self._filled.wait()
            self._filled.clear()
            await self._send_waiting()
        notice = b'{"uuid":"%b"}' % self.agent_uuid.encode()
        await self._send(notification(_REPLACED, self.subscription, notice))

    async def _send_waiting(self) -> None:
        batched = self.client is not None and self.client.batch
        most = _FRAME_TASKS if batched else _STOCK_BURST
        while self._outbox:
            tasks = [self._outbox.popleft() for _ in range(min(most, len(self._outbox)))]
            events = [notification(_METHOD, self.subscription, self._event(task)) for task in tasks]
            await self._write([batch(events)] if batched else events)
            self._on_sent(tasks)
            if not batched and self._outbox:
                await asyncio.sleep(_STOCK_PAUSE_S)

    async def _write(self, frames: Iterable[bytes]) -> None:
        for frame in frames:
            await self._send(frame)

    def _event(self, task: RunningTask) -> bytes:
        parts = (task.id, task.token.encode(), task.series.task_text)
        event = b'{"task_id":%d,"task_token":"%b","task_event_type":%b' % parts
        if self.client is None or task.series.job_id is None:
            return event + b"}"
        event = b'%b,"timeout_ms":%d,"deadline":%d' % (event, task.series.timeout_ms, task.deadline_ms)
        return event + (b"}" if task.series.options is None else b',"options":%b}' % task.series.options)


class KnownAgent(Struct):
    """
    What is remembered of an agent, connected or not. Times are seconds since the epoch, ``None`` for never.

    ``labels`` are those of the job file; ``has_left`` says that the job file does not name it any more.
    """

    name: str
    labels: Mapping[str, str] = {}
    has_left: bool = False
    version: str = ""
    last_seen: float | None = None
    clock_skew: float | None = None


class Sessions:
    """The sessions by agent UUID."""

    def __init__(self, *, metrics: OwnMetrics) -> None:
        self._metrics = metrics
        self._sessions: dict[str, Session] = {}
        self._known: dict[str, KnownAgent] = {}

    def __iter__(self) -> Iterator[Session]:
        return iter(self._sessions.values())

    def get(self, agent_uuid: str) -> Session | None:
        """The agent's session, ``None`` when it is away."""
        return self._sessions.get(agent_uuid)

    def known(self) -> Iterator[tuple[str, KnownAgent]]:
        """Every agent that registered or has a job, with its UUID."""
        return iter(self._known.items())

    def name(self, agent_uuid: str, name: str | None = None) -> str:
        """The agent's name for labels; a ``name`` given is kept, else its UUID serves."""
        agent = self._known.setdefault(agent_uuid, KnownAgent(agent_uuid))
        if name is not None and agent.name != name:
            agent.name = name
            self._take_name_from_others(agent_uuid, name)
        return agent.name

    def declare(self, labels: Mapping[str, Mapping[str, str]]) -> None:
        """The job file names these agents and no others, by UUID, with their labels."""
        for uuid in labels:
            self.name(uuid)
        for uuid, agent in self._known.items():
            # An agent that has its UUID for a name is known from elsewhere, and cannot leave what it was never in.
            agent.has_left = uuid not in labels and (agent.has_left or bool(agent.labels) or agent.name != uuid)
            agent.labels = labels.get(uuid, {})

    def _take_name_from_others(self, agent_uuid: str, name: str) -> None:
        """A machine was replaced under its old name: the old one goes by its UUID."""
        for uuid, agent in self._known.items():
            if uuid != agent_uuid and agent.name == name:
                agent.name = uuid

    def open(self, session: Session) -> None:
        """The agent is here; a session on another connection ends."""
        self.name(session.agent_uuid)
        self._known[session.agent_uuid].version = _label(session.client.client) if session.client else "stock"
        previous = self._sessions.get(session.agent_uuid)
        self._sessions[session.agent_uuid] = session
        if previous is not None and previous.connection is not session.connection:
            previous.replaced()
            self._metrics.sessions_replaced.inc()
            log.warning("agent registered on another connection", agent=self.name(session.agent_uuid))
        if previous is None:
            log.info("agent connected", agent=self.name(session.agent_uuid), uuid=session.agent_uuid)

    def close(self, session: Session) -> None:
        """The session is over; nothing happens when another took its place."""
        if self._sessions.get(session.agent_uuid) is session:
            del self._sessions[session.agent_uuid]
            log.info("agent left", agent=self.name(session.agent_uuid), uuid=session.agent_uuid)

    def seen(self, agent_uuid: str, now_ms: int, clock_ms: int | None) -> None:
        """An upload came at ``now_ms``, stamped ``clock_ms`` by the agent's clock; ``None``: too old to tell."""
        agent = self._known.get(agent_uuid)
        if agent is not None:
            agent.last_seen = now_ms / 1000
            if clock_ms is not None:
                agent.clock_skew = (clock_ms - now_ms) / 1000


def _label(text: str) -> str:
    """What an agent says of itself, fit for a label."""
    return "".join(character for character in text[:_LABEL_LENGTH] if character.isprintable())
