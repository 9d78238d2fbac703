"""``cronprobe completion``: the script that lets a shell complete verbs, options, and job names from files."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli import app
from protocol.errors import Error
from scheduler.jobfile import load


class Shell(StrEnum):
    """A shell that can be taught."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(
    shell: Annotated[Shell, typer.Argument(help="bash, zsh or fish.", show_default=False)],
) -> None:
    """
    Print the script that makes a shell complete verbs, options and job names.

    Example: `source <(cronprobe completion bash)` in `~/.bashrc`; `cronprobe completion fish >
    ~/.config/fish/completions/cronprobe.fish`
    """
    # The library's own door: a command called with this variable prints its script instead of doing its work.
    os.environ["_CRONPROBE_COMPLETE"] = f"source_{shell}"
    app(args=[], prog_name="cronprobe")


def job_names(context: typer.Context) -> list[str]:
    """The jobs of the file that was typed before; none where it has mistakes, which is not the moment to tell."""
    path: Path | None = context.params.get("path")
    try:
        return [] if path is None else [job.name for job in load([Path(path)]).jobs]
    except Error:
        return []
