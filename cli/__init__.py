"""
The command ``cronprobe``: one file a verb, and the only room that knows server, scheduler and agent.

To add a verb: its file with a function of its name, its place in ``PANELS``, its line in the README. Where the name is
a keyword of Python's, file and function have an underscore after it.
"""

import gc
import sys
from importlib import import_module
from importlib.metadata import version
from keyword import iskeyword
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cli import logs
from cli.screen import OutputClosed
from protocol.errors import ConfigError, Error

PANELS = {
    "Run": ("up", "server", "scheduler", "agent"),
    "Job files": ("check", "render", "next", "plan", "run", "rules", "schema", "import"),
    "Results": ("top", "tail", "query", "stats"),
    "Agents and tasks": ("agents", "create", "shell"),
    "Housekeeping": ("token", "doctor", "completion"),
}
"""The verbs as the help groups them."""

VERBS = tuple(verb for verbs in PANELS.values() for verb in verbs)
_PANEL_OF = {verb: panel for panel, verbs in PANELS.items() for verb in verbs}

_ALLOCATIONS = 20_000
"""
Tasks come and go by the thousand, jobs are read by the thousand, and neither form cycles: with the default of 700,
collecting took 9 % of the server and 20 % of ``check``.
"""
_HELP = {"help_option_names": ["-h", "--help"]}


class _Verbs(TyperGroup):
    """
    Imports a verb's file when it is used, since no verb needs the libraries of all.

    The types that typer hands over here are private to it.
    """

    def list_commands(self, _context: Any) -> list[str]:
        return list(VERBS)

    def get_command(self, _context: Any, name: str) -> Any:
        if name not in VERBS:
            return None
        room = f"{name}_" if iskeyword(name) else name
        verb = getattr(import_module(f"cli.{room}"), room)
        if not isinstance(verb, typer.Typer):
            function = verb
            verb = typer.Typer(rich_markup_mode="markdown", add_completion=False, context_settings=_HELP)
            verb.command(name)(function)
        command: Any = typer.main.get_command(verb)
        command.name = name
        command.rich_help_panel = _PANEL_OF[name]
        return command


app = typer.Typer(
    name="cronprobe",
    cls=_Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings=_HELP,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"cronprobe {version('cronprobe')}")  # noqa: T201
        raise typer.Exit


@app.callback()
def cronprobe(
    log_level: Annotated[logs.Level, typer.Option(envvar="CRONPROBE_LOG_LEVEL")] = logs.Level.INFO,
    log_format: Annotated[logs.Format, typer.Option(envvar="CRONPROBE_LOG_FORMAT")] = logs.Format.LOGFMT,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """
    Probes declared in YAML, fired on cron schedules from agents anywhere, every result kept and shown to Prometheus.

    Start with `cronprobe up jobs.example.yaml`. Flags for addresses, directories and tokens have twins in the
    environment: `--state-dir` is also `CRONPROBE_STATE_DIR`.

    Each verb's help has an example: `cronprobe query --help`. Something does not work: `cronprobe doctor`.

    Exit codes: 0 fine, 1 it ran and something failed, 2 a file or the call is wrong, 3 (`plan`) there are changes.
    """
    logs.configure(log_level, log_format)


def main() -> None:
    """The console script: a person's mistake ends in one line, never in a traceback."""
    gc.set_threshold(_ALLOCATIONS, 50, 1_000)
    try:
        app()
    except ConfigError as e:
        print(e if e.has_places else f"cronprobe: {e}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except Error as e:
        print(f"cronprobe: {e}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    except OutputClosed:
        sys.exit(0)
