"""Flags that several verbs share, each with its twin in the environment."""

from pathlib import Path
from typing import Annotated

import typer

from protocol.errors import ConfigError
from protocol.tasks import TASK_TYPES
from server.config import MetricsExtent

Files = Annotated[
    list[Path], typer.Argument(help="Job files, or directories of them.", show_default=False, metavar="FILE…")
]
Listen = Annotated[
    str, typer.Option(envvar="CRONPROBE_LISTEN", help="Address of the server: HOST:PORT.", metavar="HOST:PORT")
]
StateDir = Annotated[
    Path,
    typer.Option(
        envvar="CRONPROBE_STATE_DIR",
        help="Where the database and the root token are kept.",
        metavar="DIR",
        readable=False,  # who cannot read it is told by whoever needs it
    ),
]
StoreUrl = Annotated[
    str | None,
    typer.Option(
        "--store",
        envvar="CRONPROBE_STORE",
        help="Database: sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/DB. "
        "Default: cronprobe.db in the state directory.",
        metavar="URL",
    ),
]
RootToken = Annotated[
    str | None,
    typer.Option(
        envvar="CRONPROBE_ROOT_TOKEN", help="key:secret; better given in the environment.", hidden=True, metavar="TOKEN"
    ),
]
Metrics = Annotated[
    MetricsExtent,
    typer.Option(
        envvar="CRONPROBE_METRICS",
        help="How much /metrics shows of a probe; basic leaves out the histogram and the phases of HTTP.",
    ),
]
Retention = Annotated[
    str,
    typer.Option(
        envvar="CRONPROBE_RETENTION",
        help="How long rows are kept whose job does not say: 12h, 30d, 8w, or forever.",
        metavar="TIME",
    ),
]
PublicPage = Annotated[
    bool,
    typer.Option(
        "--public-page",
        envvar="CRONPROBE_PUBLIC_PAGE",
        help="Show the status page to anybody, without targets, messages and UUIDs.",
    ),
]
ServerUrl = Annotated[
    str, typer.Option("--server", envvar="CRONPROBE_SERVER", help="URL of the server.", metavar="URL")
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        envvar="CRONPROBE_TOKEN_FILE",
        help="File with the token, key:secret. Default: CRONPROBE_TOKEN, else root-token in the state directory.",
        metavar="FILE",
    ),
]
TokenText = Annotated[str | None, typer.Option("--token", envvar="CRONPROBE_TOKEN", hidden=True, metavar="TOKEN")]

OfJob = Annotated[str | None, typer.Option("--cron-source", help="Only the job with this name.", metavar="JOB")]
OfType = Annotated[
    str | None, typer.Option("--type", help="Only this task type, such as ping.", autocompletion=lambda: TASK_TYPES)
]
OfAgent = Annotated[str | None, typer.Option("--agent", help="Only this agent: its name or UUID.", metavar="NAME")]
Failed = Annotated[bool, typer.Option("--failed", help="Only results that are not ok.")]

DEFAULT_LISTEN = "127.0.0.1:2211"
DEFAULT_SERVER = "http://127.0.0.1:2211"
DEFAULT_STATE_DIR = Path("cronprobe-state")
DEFAULT_RETENTION = "90d"


def split_listen(text: str, flag: str = "--listen") -> tuple[str, int]:
    """
    HOST:PORT, or [IPv6]:PORT, as its two parts.

    Raises:
        ConfigError: it is none.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host.strip("[]") or not port.isdecimal() or int(port) > 65535:
        raise ConfigError(f"{flag}: {text!r} is no address; want HOST:PORT, such as {DEFAULT_LISTEN}")
    return host.strip("[]"), int(port)


def join_listen(host: str, port: int) -> str:
    """The address as it stands in a URL: an IPv6 host in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def find_token(file: Path | None, text: str | None, state_dir: Path) -> str:
    """
    The token to call with.

    Raises:
        ConfigError: there is none.
    """
    if file is None and text is not None:
        return text.strip()
    path = file or state_dir / "root-token"
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError as e:
        raise ConfigError(f"{path}: {e.strerror}; give --token-file, or --state-dir where the server keeps it") from e
    except UnicodeDecodeError as e:
        raise ConfigError(f"{path}: found no token; want a file with key:secret") from e


def check_type(name: str, flag: str) -> str:
    """
    A task type's name.

    Raises:
        ConfigError: there is no such type.
    """
    if name not in TASK_TYPES:
        raise ConfigError(f"{flag}: unknown task type {name!r}; want one of {', '.join(TASK_TYPES)}")
    return name
