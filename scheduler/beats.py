"""
What is due together: the jobs as tasks for each distinct schedule, made once and fired again and again.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from msgspec import Raw

from protocol.methods.task import NULL, NewTask
from scheduler.due import Schedule, delay_ms
from scheduler.jobs import Job
from scheduler.windows import Window, is_within


class Due:
    """
    All that runs, by the distinct schedule that it is due on.

    ``tasks`` lack nothing but the scheduled time. ``maintenance`` has the windows of jobs and the zones of these.
    """

    def __init__(
        self,
        tasks: Mapping[Schedule, Sequence[NewTask]],
        maintenance: Mapping[str, tuple[Sequence[Window], ZoneInfo]] | None = None,
    ) -> None:
        self.tasks = tasks
        self._maintenance = maintenance or {}

    def in_maintenance(self, nominal_ms: int) -> frozenset[str]:
        """The jobs that are in maintenance at this time, ms since the epoch."""
        if not self._maintenance:
            return frozenset()
        at = datetime.fromtimestamp(nominal_ms / 1_000, UTC)
        return frozenset(name for name, (windows, zone) in self._maintenance.items() if is_within(windows, at, zone))


def due_of(jobs: Sequence[Job]) -> Due:
    """What is due of ``jobs``."""
    tasks: dict[Schedule, list[NewTask]] = {}
    for job in jobs:
        for schedule, task in _tasks(job) if job.enabled else ():
            tasks.setdefault(schedule, []).append(task)
    return Due(tasks, {job.name: (job.maintenance, ZoneInfo(job.timezone)) for job in jobs if job.maintenance})


def _tasks(job: Job) -> Iterator[tuple[Schedule, NewTask]]:
    schedule = Schedule(job.schedule, job.timezone, 0, job.active)
    for cell in job.cells:
        task_type, expect, options = Raw(cell.task_text), _raw(cell.expect), _raw(cell.options)
        for agent in job.agents:
            task = NewTask(
                target_uuid=agent.uuid,
                task_type=task_type,
                cron_source=job.name,
                scheduled_at=0,
                timeout_ms=job.timeout_ms,
                cell=cell.name,
                agent_name=agent.name,
                target=cell.target,
                expect=expect,
                options=options,
                secrets=dict(cell.secrets),
                skip_overlap=job.overlap == "skip",
            )
            delay = delay_ms(job.splay_ms, job.name, agent.uuid, cell.name) if job.splay_ms else 0
            yield (schedule._replace(delay_ms=delay) if delay else schedule), task


def _raw(text: bytes | None) -> Raw:
    return NULL if text is None else Raw(text)
