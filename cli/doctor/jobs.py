"""Are the job files right: what ``cronprobe check`` says of them."""

from collections.abc import Iterator

from cli.doctor.interface import Finding, Machine, fail, ok
from protocol.errors import ConfigError
from scheduler.jobfile import JobFileError, load


def check_job_files(machine: Machine) -> Iterator[Finding]:
    """Each mistake is one."""
    if not machine.files:
        return
    try:
        jobs = load(machine.files)
    except JobFileError as e:
        for mistake in e.mistakes:
            yield fail("jobs", str(mistake), "correct the line; what runs goes on with the jobs it had")
    except ConfigError as e:
        yield fail("jobs", str(e), "name job files, or directories of them")
    else:
        yield ok("jobs", f"{len(jobs.jobs)} jobs without a mistake")
