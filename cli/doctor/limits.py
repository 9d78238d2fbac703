"""What the system lets a process have: open files, of which each agent and each probe under way takes one."""

import resource
from collections.abc import Iterator

from cli.doctor.interface import Finding, Machine, fail, ok

_LEAST = 1_024


def check_open_files(_machine: Machine) -> Iterator[Finding]:
    """The hard limit, since server and agent raise their soft one to it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= hard < _LEAST:
        remedy = "LimitNOFILE=65536 in the unit, or nofile in /etc/security/limits.conf"
        yield fail("limits", f"{hard} open files at most, for agents and probes together", remedy)
    else:
        yield ok("limits", f"{'any number of' if hard < 0 else hard} open files at most")
