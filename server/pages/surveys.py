"""How a job stands, as far as a look may see it: the ground of the overview and of the job's own page."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from urllib.parse import quote

from msgspec import Struct

from server.jobs import Job
from server.pages.content import Look, Sources
from server.pages.drawing import line, newest_latency, strip
from server.pages.history import Probe, ProbeKey, Run
from server.pages.quarters import QUARTER_MS, Day, Ended, Quarters, add_up
from server.pages.rendering import latency_text, ratio_text
from server.pages.states import State, job_state, newest, probe_state
from server.pages.texts.interface import Texts


class Survey(Struct, frozen=True):
    """A job with the probes that are seen; ``probes`` ``None`` are those that never ran."""

    job: Job
    keys: Sequence[ProbeKey]
    probes: Sequence[Probe | None]
    states: Sequence[State]
    state: State

    @property
    def element(self) -> str:
        """The id of its element, whatever its name is made of."""
        return f"job-{blake2b(self.job.declared.name.encode(), digest_size=8).hexdigest()}"

    @property
    def last(self) -> Run | None:
        """Its newest run."""
        probe = newest([probe for probe in self.probes if probe is not None])
        return None if probe is None else probe.last

    @property
    def telling(self) -> Run | None:
        """The newest run of the probes that are in the worst state: its reason is the job's."""
        pairs = zip(self.probes, self.states, strict=True)
        probe = newest([probe for probe, state in pairs if probe is not None and state is self.state])
        return None if probe is None else probe.last


def survey(sources: Sources, look: Look, job: Job, now_ms: int) -> Survey:
    """How the job stands."""
    keys = look.sight.probes(job)
    probes = [sources.history.find(job.declared.name, key) for key in keys]
    states = [probe_state(probe, now_ms) for probe in probes]
    return Survey(job, keys, probes, states, job_state(states, is_enabled=job.declared.enabled))


class Trace(Struct, frozen=True):
    """The last day of some probes, drawn."""

    strip: Sequence[tuple[str, str]]
    strip_text: str
    line: str | None
    line_text: str
    latest_ms: float | None
    ratio: float | None


def trace(probes: Sequence[Probe | None], texts: Texts, now_ms: int) -> Trace:
    """The day of these probes together."""
    quarters: list[Quarters] = [probe.quarters for probe in probes if probe is not None]
    day = add_up(quarters, now_ms // QUARTER_MS)
    drawn = line(day)
    latest_ms = newest_latency(day.latencies)
    ratio = day.success_ratio()
    return Trace(
        strip=strip(day),
        strip_text=_strip_text(day, texts, ratio),
        line=None if drawn is None else drawn.path,
        line_text=""
        if drawn is None
        else texts.line.format(latest=latency_text(latest_ms), most=latency_text(drawn.most_ms)),
        latest_ms=latest_ms,
        ratio=ratio,
    )


def _strip_text(day: Day, texts: Texts, ratio: float | None) -> str:
    if ratio is None:
        return texts.no_strip
    worst = day.worst()
    return texts.strip.format(
        ratio=ratio_text(ratio),
        failing=worst.count(Ended.FAILED),
        unknown=worst.count(Ended.UNKNOWN),
        degraded=worst.count(Ended.DEGRADED),
    )


def names(job: Job, look: Look) -> Mapping[str, str]:
    """What the job's agents are called, by UUID; nobody but a token's holder is told a UUID."""
    found = {}
    for place, (uuid, agent) in enumerate(zip(job.cron.agents, job.declared.agents, strict=True), 1):
        bare = f"{look.texts.agent} {place}" if look.sight.is_public else uuid
        found[uuid] = agent.name or bare
    return found


def targets(job: Job, look: Look) -> Mapping[str, str]:
    """What the job's targets are called."""
    cells = job.declared.cells
    if not look.sight.is_public:
        return {cell.target: cell.target for cell in cells}
    return {cell.target: f"{look.texts.target} {place}" for place, cell in enumerate(cells, 1)}


def job_path(name: str) -> str:
    """The path of a job's page."""
    return f"/jobs/{quote(name, safe='')}"
