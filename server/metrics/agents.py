"""The series about agents, read from the sessions at each scrape."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from server.running import RunningTasks
from server.sessions import Sessions


class AgentMetrics(Collector):
    """Gauges by ``agent``: its name in the job file, else its UUID."""

    def __init__(self, *, sessions: Sessions, running: RunningTasks, registry: CollectorRegistry) -> None:
        self._sessions = sessions
        self._running = running
        registry.register(self)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The families as prometheus-client wants them."""
        agents = sorted(self._sessions.known(), key=lambda known: known[1].name)
        running = Counter(task.series.agent_uuid for task in self._running)
        connected = GaugeMetricFamily(
            "cronprobe_agent_connected", "Whether the agent has an open session.", labels=["agent"]
        )
        tasks = GaugeMetricFamily("cronprobe_agent_tasks_running", "Tasks without an end.", labels=["agent"])
        last_seen = GaugeMetricFamily(
            "cronprobe_agent_last_seen_timestamp_seconds", "Time of the last upload.", labels=["agent"]
        )
        skew = GaugeMetricFamily(
            "cronprobe_agent_clock_skew_seconds", "The agent's clock minus ours, at the last upload.", labels=["agent"]
        )
        info = GaugeMetricFamily("cronprobe_agent_info", "Who the agent is.", labels=["agent", "uuid", "version"])
        for uuid, agent in agents:
            connected.add_metric([agent.name], float(self._sessions.get(uuid) is not None))
            tasks.add_metric([agent.name], running[uuid])
            info.add_metric([agent.name, uuid, agent.version], 1)
            if agent.last_seen is not None and agent.clock_skew is not None:
                last_seen.add_metric([agent.name], agent.last_seen)
                skew.add_metric([agent.name], agent.clock_skew)
        yield from (connected, tasks, last_seen, skew, info)
