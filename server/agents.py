"""The agents that are known, as they stand at this moment: what metrics and callers are told of them."""

from collections import Counter
from collections.abc import Iterable

from server.metrics.agents import AgentState
from server.running import RunningTasks
from server.sessions import KnownAgent, Sessions


class Agents:
    """Looks at sessions and running tasks when asked."""

    def __init__(self, *, sessions: Sessions, running: RunningTasks) -> None:
        self._sessions = sessions
        self._running = running

    def uuids(self) -> list[str]:
        """The UUIDs of all, in ascending order."""
        return sorted(uuid for uuid, _ in self._sessions.known())

    def states(self) -> list[AgentState]:
        """Every agent that registered or has a job, by name."""
        return self._states(self._sessions.known())

    def shown(self) -> list[AgentState]:
        """The same without those that left the job file and are not here: nobody waits for them."""
        return self._states(
            (uuid, agent)
            for uuid, agent in self._sessions.known()
            if not agent.has_left or self._sessions.get(uuid) is not None
        )

    def _states(self, agents: Iterable[tuple[str, KnownAgent]]) -> list[AgentState]:
        running = Counter(task.series.agent_uuid for task in self._running)
        states = [
            AgentState(
                name=agent.name,
                uuid=uuid,
                connected=self._sessions.get(uuid) is not None,
                version=agent.version,
                labels=agent.labels,
                last_seen=agent.last_seen,
                clock_skew=agent.clock_skew,
                running=running[uuid],
            )
            for uuid, agent in agents
        ]
        return sorted(states, key=lambda state: state.name)
