"""``execute``: a program with its arguments, no shell; the result is its output as text."""

from msgspec import Struct

from protocol.reading import string, struct
from protocol.schemas import TEXT
from protocol.tasks.interface import TaskType


class Execute(Struct, frozen=True):
    """A program and its argument vector; both are required."""

    cmd: str
    args: list[str]


def refuse(execute: Execute) -> str | None:
    """A blank program name cannot be run."""
    return None if execute.cmd.strip() else "Execute cmd cannot be empty"


EXECUTE = TaskType(
    name="execute",
    read_task=struct(Execute),
    read_result=string,
    target=lambda execute: execute.cmd,
    refuse=refuse,
    payload=Execute,
    result=TEXT,
)
