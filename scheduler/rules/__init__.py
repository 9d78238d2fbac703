"""
Prometheus's rules for jobs: what is kept of them, what rings for them, their objectives, and cronprobe itself.

Pure: the same jobs give the same rules, in the order of the job file. Names of series and alerts are an API.
"""

from collections.abc import Sequence

from scheduler.jobs import Job, JobFile
from scheduler.rules.alerts import alerts
from scheduler.rules.interface import Group
from scheduler.rules.itself import itself
from scheduler.rules.recording import recordings
from scheduler.rules.slo import slo_rules


def groups(jobs: JobFile | None, *, bounds: Sequence[float], with_itself: bool = True) -> list[Group]:
    """
    The rules of all jobs that run, after those for cronprobe itself; ``None`` is no jobs.

    ``bounds`` are the upper bounds of the buckets of ``cronprobe_latency_seconds``, ascending.
    """
    own = [Group("cronprobe", tuple(itself()))] if with_itself else []
    return [*own, *(_group(job, bounds) for job in (jobs.jobs if jobs else ()) if job.enabled and job.agents)]


def _group(job: Job, bounds: Sequence[float]) -> Group:
    objective = () if job.slo is None else slo_rules(job, job.slo, bounds)
    return Group(f"cronprobe job {job.name}", (*recordings(job), *alerts(job), *objective))
