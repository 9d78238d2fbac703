"""
Cases by which ``promtool test rules`` tests the rules of the same jobs: each alert rings when it should, and else not.

Time passes in minutes. All jobs are tested side by side, so that the cases grow as the rules do. What would take more
than a day to ring is left out.
"""

from collections.abc import Sequence
from typing import Any

from scheduler.jobs import JobFile
from scheduler.rules.cases.itself import cases_of_itself
from scheduler.rules.cases.jobs import cases_of_jobs

RULE_FILE = "rules.yml"
"""The name that the rules have, beside their cases."""


def cases(jobs: JobFile | None, *, bounds: Sequence[float], with_itself: bool = True) -> dict[str, Any]:
    """The document for promtool; the arguments are those of ``scheduler.rules.groups``."""
    running = [job for job in (jobs.jobs if jobs else ()) if job.enabled and job.agents]
    own = cases_of_itself() if with_itself else []
    return {"rule_files": [RULE_FILE], "evaluation_interval": "1m", "tests": [*own, *cases_of_jobs(running, bounds)]}
