"""The series about agents, read at each scrape."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from server.metrics.text import Format, Head, labels_text, own_labels


class AgentState(Struct, frozen=True, kw_only=True):
    """
    An agent at one moment. ``name`` is that of the job file, else its UUID; ``labels`` are those of the job file.

    ``last_seen`` is the time of its last upload, seconds since the epoch; ``clock_skew`` its clock minus ours then, in
    seconds; both are ``None`` before its first upload.
    """

    name: str
    uuid: str
    connected: bool
    version: str
    labels: Mapping[str, str]
    last_seen: float | None
    clock_skew: float | None
    running: int


_GAUGES: tuple[tuple[Head, Callable[[AgentState], float | None]], ...] = (
    (
        Head("cronprobe_agent_connected", "gauge", "Whether the agent has an open session."),
        lambda state: int(state.connected),
    ),
    (Head("cronprobe_agent_tasks_running", "gauge", "Tasks without an end."), lambda state: state.running),
    (
        Head("cronprobe_agent_last_seen_timestamp_seconds", "gauge", "Time of the last upload."),
        lambda state: state.last_seen,
    ),
    (
        Head("cronprobe_agent_clock_skew_seconds", "gauge", "The agent's clock minus ours, at its last upload."),
        lambda state: state.clock_skew,
    ),
)
_INFO = Head("cronprobe_agent_info", "gauge", "Who the agent is.")


class AgentMetrics:
    """Gauges by ``agent``."""

    def __init__(self, states: Callable[[], Sequence[AgentState]]) -> None:
        self._states = states

    def families(self, _form: Format) -> Iterator[tuple[Head, Iterable[str]]]:
        """See ``text.Families``."""
        states = self._states()
        for head, value in _GAUGES:
            yield head, (_line(head, state, value(state)) for state in states)
        yield _INFO, map(_info, states)


def _line(head: Head, state: AgentState, value: float | None) -> str:
    return "" if value is None else f"{head.name}{{{labels_text({'agent': state.name})}}} {value!r}\n"


def _info(state: AgentState) -> str:
    own = {"agent": state.name, "uuid": state.uuid, "version": state.version}
    return f"{_INFO.name}{{{labels_text({**own, **own_labels(state.labels)})}}} 1\n"
