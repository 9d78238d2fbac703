"""An open WebSocket of a caller: where its frames go, and the registrations that end with it."""

import asyncio

from server.sessions import Send, Session, Sessions


class Connection:
    """Made by the HTTP door; ``tasks`` is the group in which the connection's work runs."""

    def __init__(self, *, send: Send, tasks: asyncio.TaskGroup, sessions: Sessions) -> None:
        self.send = send
        self._tasks = tasks
        self._sessions = sessions
        self._is_closed = False
        self._registered: dict[str, tuple[Session, asyncio.Task[None]]] = {}

    def subscribe(self, session: Session) -> None:
        """
        Open the agent's session here.

        A stock agent registers again each minute: then the session stays, with what waits in it, under its new number.
        """
        if self._is_closed:
            return
        entry = self._registered.get(session.agent_uuid)
        if entry is None:
            drain = self._tasks.create_task(session.drain(), name=f"outbox {session.agent_uuid}")
            self._registered[session.agent_uuid] = (session, drain)
        else:
            renewed = entry[0]
            renewed.subscription = session.subscription
            session = renewed
        self._sessions.open(session)

    def unsubscribe(self, subscription: int | None) -> bool:
        """End the registration with this number; ``False`` when this connection has none such."""
        for session, drain in list(self._registered.values()):
            if session.subscription == subscription:
                self._end(session, drain)
                return True
        return False

    def close(self) -> None:
        """End all registrations; a reply on its way opens no new one."""
        self._is_closed = True
        for session, drain in list(self._registered.values()):
            self._end(session, drain)

    def _end(self, session: Session, drain: asyncio.Task[None]) -> None:
        self._registered.pop(session.agent_uuid)
        self._sessions.close(session)
        drain.cancel()
