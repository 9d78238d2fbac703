"""
The command ``cronprobe``: one file a verb, and the only room that knows server, scheduler and agent.

To add a verb: its file with a function, its line in ``VERBS``, its line in the README.
"""

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from cli import agent, check, create, logs, query, scheduler, server, token, up
from protocol.errors import ConfigError, Error
from scheduler.jobfile import JobFileError

VERBS: dict[str, Callable[..., None]] = {
    "up": up.up,
    "server": server.server,
    "scheduler": scheduler.scheduler,
    "agent": agent.agent,
    "check": check.check,
    "query": query.query,
    "create": create.create,
}

app = typer.Typer(
    name="cronprobe",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def cronprobe(
    log_level: Annotated[logs.Level, typer.Option(envvar="CRONPROBE_LOG_LEVEL")] = logs.Level.INFO,
    log_format: Annotated[logs.Format, typer.Option(envvar="CRONPROBE_LOG_FORMAT")] = logs.Format.LOGFMT,
) -> None:
    """
    Probes declared in YAML, fired on cron schedules from agents anywhere, every result kept and shown to Prometheus.

    Start with `cronprobe up jobs.example.yaml`. Every flag has a twin in the environment: `--state-dir` is also
    `CRONPROBE_STATE_DIR`. Exit codes: 0 fine, 1 it ran and something failed, 2 a file or the call is wrong.
    """
    logs.configure(log_level, log_format)


for _name, _verb in VERBS.items():
    app.command(_name)(_verb)
app.add_typer(token.app, name="token")


def main() -> None:
    """The console script: a person's mistake ends in one line, never in a traceback."""
    try:
        app()
    except Error as e:
        print(e if isinstance(e, JobFileError) else f"cronprobe: {e}", file=sys.stderr)  # noqa: T201
        sys.exit(2 if isinstance(e, ConfigError) else 1)
