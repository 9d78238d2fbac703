"""
``cronprobe doctor``: what is wrong on this machine, and what to do about it.

To add a check: its function, as ``interface`` says, and its line in ``CHECKS``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.markup import escape

from cli.doctor.agent import check_agent_file
from cli.doctor.clock import check_skew, check_synchronised
from cli.doctor.dns import check_names
from cli.doctor.icmp import check_icmp
from cli.doctor.interface import Check, Finding, Health, Machine, fail
from cli.doctor.jobs import check_job_files
from cli.doctor.limits import check_open_files
from cli.doctor.permissions import check_secrets
from cli.doctor.python import check_python
from cli.doctor.server import check_server
from cli.doctor.store import check_database, check_disk, check_lock, check_state_dir
from cli.options import DEFAULT_SERVER, DEFAULT_STATE_DIR, StateDir, StoreUrl, TokenFile, TokenText, find_token
from cli.screen import FileOutput, console, printable
from protocol.errors import ConfigError
from server.config import Config

CHECKS: tuple[Check, ...] = (
    *(check_python, check_synchronised, check_skew, check_open_files, check_icmp, check_names),
    *(check_state_dir, check_secrets, check_database, check_disk, check_lock),
    *(check_server, check_agent_file, check_job_files),
)
_COLOURS = {Health.OK: "green", Health.WARN: "yellow", Health.FAIL: "red"}


def doctor(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Job files to look at as well.", show_default=False, metavar="FILE…")
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            envvar="CRONPROBE_SERVER",
            help=f"URL of the server. Default: {DEFAULT_SERVER}, or with -c those of the file alone.",
            metavar="URL",
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="An agent's TOML file to look at.", metavar="FILE")
    ] = None,
    resolve: Annotated[
        list[str] | None, typer.Option(help="A name that must resolve here; repeatable.", metavar="NAME")
    ] = None,
    output: Annotated[FileOutput, typer.Option("--output", "-o")] = FileOutput.TEXT,
    store: StoreUrl = None,
    token_file: TokenFile = None,
    token: TokenText = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
) -> None:
    """
    Look for what is wrong on this machine: clock, limits, ICMP, names, store, secrets, server, token, agent, job files.

    Each thing that is wrong comes with its remedy; nothing is changed. Exit code 1 when something does not work.

    Example: `cronprobe doctor jobs/ --state-dir /var/lib/cronprobe`, or on an agent's machine `cronprobe doctor -c
    agent.toml`
    """
    try:
        credential, no_token = find_token(token_file, token, state_dir), ""
    except ConfigError as e:
        credential, no_token = None, str(e)
    machine = Machine(
        state_dir=state_dir,
        store=Config(state_dir=state_dir, store_url=store).store,
        server=server or (DEFAULT_SERVER if config is None else None),
        token=credential,
        no_token=no_token,
        files=tuple(files or ()),
        agent_file=config,
        names=tuple(resolve or ()),
    )
    findings = [finding for check in CHECKS for finding in _look(check, machine)]
    if output is FileOutput.JSON:
        console.out(msgspec.json.encode(findings).decode(), highlight=False)
    else:
        for finding in findings:
            _print(finding)
    raise typer.Exit(int(any(finding.health is Health.FAIL for finding in findings)))


def _look(check: Check, machine: Machine) -> Iterator[Finding]:
    """A machine is ill in ways that nobody thought of: the other checks are made all the same."""
    try:
        yield from check(machine)
    except PermissionError as e:
        remedy = "run the doctor as the user that runs cronprobe, or as root"
        yield fail(check.__name__.removeprefix("check_"), f"{e.filename}: may not be looked at", remedy)
    except Exception as e:  # noqa: BLE001 the door
        yield fail(check.__name__.removeprefix("check_"), f"could not be looked at: {e!r}", "look at it by hand")


def _print(finding: Finding) -> None:
    colour = _COLOURS[finding.health]
    found = escape(printable(f"{finding.check}: {finding.found}"))
    console.print(f"[{colour}]{finding.health:4}[/{colour}]  {found}")
    if finding.remedy:
        console.print(f"      {escape(printable(finding.remedy))}")
