"""``cronprobe rules``: Prometheus's rules for job files, and the cases that test them."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cli.screen import YamlOutput, console
from protocol.errors import ConfigError
from scheduler.jobfile import load
from scheduler.rules import groups
from scheduler.rules.cases import cases
from scheduler.rules.writing import plain, text
from server.metrics.stats import LATENCY_BOUNDS


def rules(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Job files, or directories of them.", show_default=False, metavar="[FILE…]"),
    ] = None,
    output: Annotated[YamlOutput, typer.Option("--output", "-o")] = YamlOutput.YAML,
    itself: Annotated[
        bool, typer.Option("--self/--no-self", help="With the alerts about cronprobe itself, or without.")
    ] = True,
    tests: Annotated[
        bool, typer.Option("--tests", help="Print cases for promtool that test these rules, as rules.yml beside them.")
    ] = False,
) -> None:
    """
    Print Prometheus's recording and alert rules for job files; without any, those about cronprobe itself alone.

    Example: `cronprobe rules jobs/ > rules.yml`, `cronprobe rules jobs/ --tests > rules.test.yml`, and
    `promtool test rules rules.test.yml`
    """
    if not files and not itself:
        raise ConfigError("FILE: is missing; name job files, or leave out --no-self")
    jobs = load(files) if files else None
    document = (
        cases(jobs, bounds=LATENCY_BOUNDS, with_itself=itself)
        if tests
        else plain(groups(jobs, bounds=LATENCY_BOUNDS, with_itself=itself))
    )
    said = msgspec.json.encode(document).decode() if output is YamlOutput.JSON else text(document).rstrip("\n")
    console.out(said, highlight=False)
