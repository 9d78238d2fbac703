"""What the job file says of jobs, as a series to join with, and whether they are in maintenance."""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from server.metrics.text import Format, Head, labels_text, own_labels

SERIES_OF_A_JOB = 2
_INFO = Head("cronprobe_job_info", "gauge", "What the job file says of a job.")
_MAINTENANCE = Head(
    "cronprobe_job_in_maintenance", "gauge", "Whether the job's newest tick was due inside a maintenance window."
)


class JobState(Struct, frozen=True):
    """A declared job."""

    name: str
    schedule: str
    timezone: str
    labels: Mapping[str, str]


class _Texts(Struct, frozen=True):
    """A job's line of information, and the one of its maintenance but for the value."""

    info: str
    maintenance: str


class JobMetrics:
    """Series by ``cron_source``; a job's own labels come as ``label_NAME``. Texts are made once a declaration."""

    def __init__(self) -> None:
        self._jobs: dict[str, JobState] = {}
        self._texts: dict[str, _Texts] = {}
        self._newest: dict[str, tuple[int, bool]] = {}

    def show(self, states: Iterable[JobState]) -> None:
        """These jobs and no others have series from now on."""
        self._jobs = {state.name: state for state in states}
        self._texts = {}
        self._newest = {name: tick for name, tick in self._newest.items() if name in self._jobs}

    def tick(self, cron_source: str, scheduled_ms: int, *, in_maintenance: bool) -> None:
        """A tick was created that is due at ``scheduled_ms`` since the epoch; only the newest of its job counts."""
        newest = self._newest.get(cron_source)
        if newest is None or scheduled_ms > newest[0]:
            self._newest[cron_source] = scheduled_ms, in_maintenance

    def families(self, _form: Format) -> Iterator[tuple[Head, Iterable[str]]]:
        """See ``text.Families``."""
        jobs = list(self._jobs.values())
        yield _INFO, (self._of(state).info for state in jobs)
        yield _MAINTENANCE, (f"{self._of(state).maintenance}{self._in_maintenance(state)}\n" for state in jobs)

    def _in_maintenance(self, state: JobState) -> int:
        newest = self._newest.get(state.name)
        return int(newest is not None and newest[1])

    def _of(self, state: JobState) -> _Texts:
        texts = self._texts.get(state.name)
        if texts is None:
            own = {"cron_source": state.name}
            info = {**own, "schedule": state.schedule, "timezone": state.timezone, **own_labels(state.labels)}
            texts = self._texts[state.name] = _Texts(
                f"{_INFO.name}{{{labels_text(info)}}} 1\n", f"{_MAINTENANCE.name}{{{labels_text(own)}}} "
            )
        return texts
