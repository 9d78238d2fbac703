"""
What a check of ``cronprobe doctor`` is: a function that looks at the machine and says what it found.

A check changes nothing, waits for nothing longer than ``LIMIT_S``, and knows no other check. What it cannot look at,
since another check will say why, it leaves out.
"""

from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

LIMIT_S = 5.0


class Health(StrEnum):
    """How bad it is; with ``fail`` something does not work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(Struct, frozen=True):
    """One thing that was looked at; ``remedy`` is ``""`` where none is needed."""

    check: str
    health: Health
    found: str
    remedy: str = ""


class Machine(Struct, frozen=True, kw_only=True):
    """
    What is looked at. ``store`` is the database's URL; ``server`` ``None`` looks at no server, ``agent_file`` ``None``
    at no agent. ``token`` is ``None`` where none was found, and ``no_token`` says why.
    """

    state_dir: Path
    store: str
    server: str | None
    token: str | None
    no_token: str
    files: tuple[Path, ...]
    agent_file: Path | None
    names: tuple[str, ...]


Check = Callable[[Machine], Iterable[Finding]]


def ok(check: str, found: str) -> Finding:
    """Nothing to be done."""
    return Finding(check, Health.OK, found)


def warn(check: str, found: str, remedy: str) -> Finding:
    """It works, and may not for long."""
    return Finding(check, Health.WARN, found, remedy)


def fail(check: str, found: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(check, Health.FAIL, found, remedy)
