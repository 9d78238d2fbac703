"""An open WebSocket of a caller: where its frames go, and the subscriptions that end with it."""

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Protocol

from msgspec import Struct

from protocol.errors import TooManySubscriptions
from server.grants import Grant, Grants
from server.sessions import Send, Session, Sessions

MOST_SUBSCRIPTIONS = 1024


def make_subscription() -> int:
    """A random number for a subscription, one that JavaScript takes for an integer."""
    return secrets.randbelow(2**53)


class Subject(Protocol):
    """What is subscribed to: its number on the wire, and what sends its notifications until cancelled."""

    subscription: int

    async def drain(self) -> None:
        """Send what waits."""


class _Open(Struct, eq=False):
    subject: Subject
    sending: asyncio.Task[None]
    grant: Grant


class Connection:
    """
    Made by its WebSocket; ``tasks`` is the group in which the connection's work runs, ``address`` its peer's.

    ``hang_up`` closes the WebSocket with a reason that the peer can read.
    """

    def __init__(
        self,
        *,
        send: Send,
        hang_up: Callable[[str], Coroutine[Any, Any, None]],
        address: str,
        tasks: asyncio.TaskGroup,
        sessions: Sessions,
        grants: Grants,
    ) -> None:
        self.send = send
        self.address = address
        self._hang_up = hang_up
        self._tasks = tasks
        self._sessions = sessions
        self._grants = grants
        self._closed = asyncio.Event()
        self._open: list[_Open] = []

    def need_room(self) -> None:
        """
        Refuse a subscription that would be one too many.

        Raises:
            TooManySubscriptions: there are as many as a connection may have.
        """
        if len(self._open) >= MOST_SUBSCRIPTIONS:
            raise TooManySubscriptions(MOST_SUBSCRIPTIONS)

    def register(self, session: Session, grant: Grant) -> None:
        """
        Open the agent's session here.

        A stock agent registers again each minute: then the session stays, with what waits in it, under its new number.
        """
        entry = self._registration(session.agent_uuid)
        if entry is None:
            self.follow(session, grant)
            if not self._closed.is_set():
                self._sessions.open(session)
        else:
            entry.subject.subscription = session.subscription
            self._grants.discard(entry.grant)
            self._grants.add(grant)
            entry.grant = grant

    def _registration(self, agent_uuid: str) -> _Open | None:
        """The agent's open session here; one that another connection took over ends."""
        for entry in self._open:
            if isinstance(entry.subject, Session) and entry.subject.agent_uuid == agent_uuid:
                if self._sessions.get(agent_uuid) is entry.subject:
                    return entry
                self._end(entry)
                return None
        return None

    def follow(self, subject: Subject, grant: Grant) -> None:
        """Let ``subject`` send to this connection."""
        if not self._closed.is_set():
            sending = self._tasks.create_task(subject.drain(), name=f"subscription {subject.subscription}")
            self._open.append(_Open(subject, sending, grant))
            self._grants.add(grant)

    def unsubscribe(self, subscription: int | None) -> bool:
        """End the subscription with this number; ``False`` when this connection has none such."""
        for entry in self._open:
            if entry.subject.subscription == subscription:
                self._end(entry)
                return True
        return False

    def close(self) -> None:
        """End all subscriptions; a reply on its way opens no new one."""
        self._closed.set()
        for entry in list(self._open):
            self._end(entry)

    async def hang_up(self, why: str) -> None:
        """End all subscriptions, then the connection, and tell the peer why. A subscription may end itself by this."""
        self._tasks.create_task(self._hang_up(why), name="hang up")
        self.close()

    async def wait_closed(self, limit_s: float) -> None:
        """Until the connection is closed, at most ``limit_s``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._closed.wait()

    def _end(self, entry: _Open) -> None:
        self._open.remove(entry)
        self._grants.discard(entry.grant)
        if isinstance(entry.subject, Session):
            self._sessions.close(entry.subject)
        entry.sending.cancel()
