"""``cronprobe import``: another tool's configuration as a job file, and what was lost on the way."""

from pathlib import Path
from typing import Annotated

import typer

from cli.client import Client
from cli.options import DEFAULT_STATE_DIR, find_token
from cli.progress import progress
from protocol.errors import ConfigError
from scheduler.imports import IMPORTERS, File, Imported, job_file, open_source

import_ = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Make a job file of another tool's configuration, and say what cannot be translated.",
)

Target = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write to this file, not to stdout.", metavar="FILE")
]
Force = Annotated[bool, typer.Option("--force", help="Write over the file of --output.")]


@import_.command()
def blackbox(
    config: Annotated[Path, typer.Option(help="The blackbox_exporter's file, with its modules.", metavar="FILE")],
    prometheus: Annotated[Path, typer.Option(help="The file of the Prometheus that scrapes it.", metavar="FILE")],
    output: Target = None,
    force: Force = False,
) -> None:
    """
    From a blackbox_exporter and its Prometheus: a job for each scrape job with metrics_path /probe.

    Example: `cronprobe import blackbox --config blackbox.yml --prometheus prometheus.yml -o jobs.yaml`
    """
    with progress("importing"):
        imported = IMPORTERS["blackbox"](open_source(config), open_source(prometheus))
    _write(imported, output, force)


@import_.command()
def gatus(
    file: Annotated[Path, typer.Argument(help="Gatus' configuration.", metavar="FILE", show_default=False)],
    output: Target = None,
    force: Force = False,
) -> None:
    """
    From a Gatus configuration: a job for each endpoint.

    Example: `cronprobe import gatus config.yaml -o jobs.yaml`
    """
    with progress("importing"):
        imported = IMPORTERS["gatus"](open_source(file))
    _write(imported, output, force)


@import_.command()
def nodeget(
    server: Annotated[str | None, typer.Option(help="URL of the NodeGet server to ask.", metavar="URL")] = None,
    saved: Annotated[
        Path | None, typer.Option("--from", help="A saved answer of crontab_get instead.", metavar="FILE")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File with a token of that server, key:secret.", metavar="FILE")
    ] = None,
    output: Target = None,
    force: Force = False,
) -> None:
    """
    From the crontab of a NodeGet server: a job for each entry that gives agents a task.

    Example: `cronprobe import nodeget --server http://nodeget.example:3000 --token-file token -o jobs.yaml`
    """
    if (server is None) == (saved is None):
        raise ConfigError("give either --server URL or --from FILE")
    with progress("importing"):
        answer = _asked(server, token_file) if saved is None else open_source(saved)
        imported = IMPORTERS["nodeget"](answer)
    _write(imported, output, force)


def _asked(server: str | None, token_file: Path | None) -> File:
    """The crontab of the server; no token of our own server is ever sent there."""
    if token_file is None:
        raise ConfigError("--token-file: is missing; give a file with a token of that server")
    client = Client(server or "", find_token(token_file, None, DEFAULT_STATE_DIR))
    return File(client.url, client.call("crontab_get", {}).decode())


def _write(imported: Imported, output: Path | None, force: bool) -> None:
    with progress("writing jobs"):
        text = job_file(imported)
    if output is None:
        typer.echo(text, nl=False)
    else:
        try:
            with output.open("w" if force else "x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError as e:
            raise ConfigError(f"{output}: exists already; give another name, or --force to write over it") from e
        except OSError as e:
            raise ConfigError(f"{output}: cannot be written ({e.strerror}); choose another place") from e
    for note in imported.all_notes():
        typer.echo(note, err=True)
    unusable = sum(not job.usable for job in imported.jobs)
    typer.echo(f"imported {len(imported.jobs)} jobs, {unusable} of them commented out", err=True)
