"""``cronprobe render``: job files after defaults, profiles, matrix and selectors."""

from typing import Annotated

import msgspec
import typer

from cli.options import Files
from cli.screen import YamlOutput, console
from scheduler.jobfile import load
from scheduler.jobfile.rendering import render as as_yaml
from scheduler.jobfile.rendering import rendered


def render(files: Files, output: Annotated[YamlOutput, typer.Option("--output", "-o")] = YamlOutput.YAML) -> None:
    """
    Show what job files say after defaults, profiles, matrix and selectors. Secrets stand as their references.

    Example: `cronprobe render jobs/`
    """
    jobs = load(files)
    text = msgspec.json.encode(rendered(jobs)).decode() if output is YamlOutput.JSON else as_yaml(jobs).rstrip("\n")
    console.out(text, highlight=False)
