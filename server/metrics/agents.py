"""The series about agents, read at each scrape."""

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector


class AgentState(Struct, frozen=True, kw_only=True):
    """
    An agent at one moment. ``name`` is that of the job file, else its UUID.

    ``last_seen`` is the time of its last upload, seconds since the epoch; ``clock_skew`` its clock minus ours then, in
    seconds; both are ``None`` before its first upload.
    """

    name: str
    uuid: str
    connected: bool
    version: str
    last_seen: float | None
    clock_skew: float | None
    running: int


class AgentMetrics(Collector):
    """Gauges by ``agent``."""

    def __init__(self, *, states: Callable[[], Sequence[AgentState]], registry: CollectorRegistry) -> None:
        self._states = states
        registry.register(self)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The families as prometheus-client wants them."""
        states = self._states()
        yield _gauge(
            "cronprobe_agent_connected",
            "Whether the agent has an open session.",
            [(state.name, float(state.connected)) for state in states],
        )
        yield _gauge(
            "cronprobe_agent_tasks_running",
            "Tasks without an end.",
            [(state.name, state.running) for state in states],
        )
        yield _gauge(
            "cronprobe_agent_last_seen_timestamp_seconds",
            "Time of the last upload.",
            [(state.name, state.last_seen) for state in states if state.last_seen is not None],
        )
        yield _gauge(
            "cronprobe_agent_clock_skew_seconds",
            "The agent's clock minus ours, at its last upload.",
            [(state.name, state.clock_skew) for state in states if state.clock_skew is not None],
        )
        info = GaugeMetricFamily("cronprobe_agent_info", "Who the agent is.", labels=["agent", "uuid", "version"])
        for state in states:
            info.add_metric([state.name, state.uuid, state.version], 1)
        yield info


def _gauge(name: str, documentation: str, values: Sequence[tuple[str, float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, documentation, labels=["agent"])
    for agent, value in values:
        family.add_metric([agent], value)
    return family
