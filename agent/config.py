"""
The agent's configuration: a TOML file with the keys of a stock agent, and a few of ours.

Everything is refused unless the file allows it. A key that no version is known to have is a warning, since stock
files vary; a known key with a wrong value is an error. To add a key: its field, with what it wants as description.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args
from uuid import uuid4

import msgspec
import structlog
from ada_url import URL
from msgspec import Meta, Struct, field
from msgspec.structs import FieldInfo, replace

from protocol.errors import ConfigError, Unreadable
from protocol.reading import normal_uuid
from protocol.tasks import TASK_TYPES

log = structlog.get_logger()

S = TypeVar("S", bound=Struct)

Words = Annotated[str, Meta(min_length=1, description="a string that is not empty")]
Switch = Annotated[bool, Meta(description="true or false")]
Count = Annotated[int, Meta(ge=1, description="a whole number, 1 or more")]
Milliseconds = Annotated[int, Meta(ge=1, description="a whole number of milliseconds, 1 or more")]
TaskTypes = Annotated[tuple[str, ...], Meta(description="an array of task type names")]
Labels = Annotated[dict[str, str], Meta(description="a table of strings")]
Provider = Annotated[Literal["cloudflare", "ipinfo"], Meta(description='"cloudflare" or "ipinfo"')]

AUTO_GEN = "auto_gen"
# Keys of stock files that nothing here uses.
STOCK_ONLY = {
    "ntp_server",
    "dynamic_report_interval_ms",
    "dynamic_summary_report_interval_ms",
    "static_report_interval_ms",
    "dynamic_summary_select_disk",
    "dynamic_summary_select_network_interface",
}
_PROVIDERS = {
    "cloudflare": ("https://1.1.1.1/cdn-cgi/trace", "https://[2606:4700:4700::1111]/cdn-cgi/trace"),
    "ipinfo": ("https://ipinfo.io", "https://6.ipinfo.io"),
}
_KINDS = {str: "a string", bool: "a boolean", int: "an integer", float: "a float", list: "an array", dict: "a table"}
_SECRET = {"token"}


class ServerConfig(Struct, frozen=True, kw_only=True):
    """
    One server to dial, and what it may ask for.

    ``server_uuid`` is lowercase hyphenated. ``allow_task`` is whether to take tasks at all; ``allow_task_type``, when
    not empty, replaces all other ``allow_`` switches. ``ignore_cert`` leaves the server's certificate unverified.
    """

    name: Words
    server_uuid: Words
    token: Words
    ws_url: Words
    ignore_cert: Switch = False
    allow_task: Switch = False
    allow_icmp_ping: Switch = False
    allow_tcp_ping: Switch = False
    allow_http_ping: Switch = False
    allow_http_request: Switch = False
    allow_dns: Switch = False
    allow_ip: Switch = False
    allow_version: Switch = False
    allow_execute: Switch = False
    allow_web_shell: Switch = False
    allow_read_config: Switch = False
    allow_edit_config: Switch = False
    allow_self_update: Switch = False
    allow_task_type: TaskTypes = ()


class Config(Struct, frozen=True, kw_only=True):
    """
    An agent. ``agent_uuid`` is lowercase hyphenated; ``connect_timeout_ms`` covers TCP, TLS and the upgrade.

    ``network_seats`` is how many network probes run at once, over all servers, and ``web_shell_sessions`` how many
    terminals; ``spool_size`` how many unacknowledged results are kept for each server; ``labels`` is what selectors of
    job files see. The three other timeouts hold for tasks that bring none: a network probe's run, the whole of any task
    but a terminal, and a program's run, which holds always. ``exec_max_character`` is the most that ``execute`` keeps
    of each output, in bytes. ``terminal_shell`` ``None`` takes bash, else sh. ``ip_v4_url`` and ``ip_v6_url`` take the
    place of the provider's.
    """

    agent_uuid: Words
    servers: tuple[ServerConfig, ...] = field(name="server")
    log_level: Words = "info"
    connect_timeout_ms: Milliseconds = 1000
    labels: Labels = {}
    network_seats: Count = 256
    spool_size: Count = 10_000
    network_timeout_ms: Milliseconds = 10_000
    task_timeout_ms: Milliseconds = 600_000
    execute_timeout_ms: Milliseconds = 60_000
    web_shell_sessions: Count = 8
    exec_max_character: Count = 10_000
    terminal_shell: Words | None = None
    ip_provider: Provider = "cloudflare"
    ip_v4_url: Words | None = None
    ip_v6_url: Words | None = None

    @property
    def ip_urls(self) -> tuple[str, str]:
        """Where the public addresses are asked for: over IPv4, over IPv6."""
        v4, v6 = _PROVIDERS[self.ip_provider]
        return self.ip_v4_url or v4, self.ip_v6_url or v6


def load(path: Path) -> Config:
    """
    The configuration in the file ``path``; an ``auto_gen`` UUID is made at the first start and kept beside it.

    Raises:
        ConfigError: the file cannot be read, or a value in it makes no sense.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as e:
        raise ConfigError(f"{path}: cannot be read: {e.strerror}; name a readable file") from e
    except UnicodeDecodeError as e:
        raise ConfigError(f"{path}: found bytes that are not UTF-8; save it as UTF-8") from e
    config = parse(text, str(path), may_generate=True)
    return replace(config, agent_uuid=_generated(path)) if config.agent_uuid == AUTO_GEN else config


def parse(text: str, where: str, *, may_generate: bool) -> Config:
    """
    The configuration that ``text`` says; errors begin with ``where``.

    Its ``agent_uuid`` may be ``auto_gen`` only where the caller can make one.

    Raises:
        ConfigError: it is no TOML, or a value in it makes no sense.
    """
    table = _toml(text, where)
    servers = table.get("server")
    if not isinstance(servers, list) or not servers or not all(isinstance(server, dict) for server in servers):
        raise ConfigError(f"{where}: server: found no server; add a [[server]] table")
    table["server"] = [_server(where, f"server[{index}]", server) for index, server in enumerate(servers)]
    config = _read(Config, where, "", table, ignored=STOCK_ONLY)
    if may_generate and config.agent_uuid == AUTO_GEN:
        return config
    return replace(config, agent_uuid=_uuid(f"{where}: agent_uuid", config.agent_uuid))


def _toml(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        what, place = re.fullmatch(r"(.*) \(at (.*)\)", str(e), re.DOTALL).groups()  # type: ignore[union-attr]
        at_line = re.match(r"line (\d+)", place)
        line = at_line[1] if at_line else len(text.splitlines())
        raise ConfigError(f"{where}:{line}: {what}; correct the TOML") from e


def _server(where: str, place: str, table: Mapping[str, Any]) -> ServerConfig:
    server = _read(ServerConfig, where, f"{place}.", table)
    for name in server.allow_task_type:
        if name not in TASK_TYPES:
            log.warning("unknown task type", file=where, key=f"{place}.allow_task_type", found=name)
    try:
        scheme = URL(server.ws_url).protocol
    except ValueError:
        scheme = ""
    if scheme not in ("ws:", "wss:"):
        raise ConfigError(f"{where}: {place}.ws_url: found '{server.ws_url}'; want a URL with ws:// or wss://")
    if ":" not in server.token and "|" not in server.token:
        raise ConfigError(f"{where}: {place}.token: found no token; want key:secret or username|password")
    return replace(server, server_uuid=_uuid(f"{where}: {place}.server_uuid", server.server_uuid))


def _read(form: type[S], where: str, prefix: str, table: Mapping[str, Any], ignored: Iterable[str] = ()) -> S:
    fields = {known.encode_name: known for known in msgspec.structs.fields(form)}
    for key in sorted(table.keys() - fields.keys() - set(ignored)):
        log.warning("unknown key", file=where, key=prefix + key)
    missing = [key for key, known in fields.items() if known.required and key not in table]
    if missing:
        raise ConfigError(f"{where}: {prefix}{missing[0]}: found nothing; want {_want(fields[missing[0]])}")
    for key, known in fields.items():
        if key in table:
            _check(known, table[key], f"{where}: {prefix}{key}")
    return msgspec.convert(table, form)


def _check(known: FieldInfo, value: object, where: str) -> None:
    try:
        msgspec.convert(value, known.type)
    except msgspec.ValidationError as e:
        is_shown = isinstance(value, str | int | float) and known.name not in _SECRET
        found = msgspec.json.encode(value).decode() if is_shown else _KINDS.get(type(value), "a date or time")
        raise ConfigError(f"{where}: found {found}; want {_want(known)}") from e


def _want(known: FieldInfo) -> str:
    """The description of the field's type, or of the one that may also be left out."""
    kinds = (known.type, *get_args(known.type))
    return next(str(mark.description) for kind in kinds for mark in getattr(kind, "__metadata__", ()))


def _uuid(where: str, text: str) -> str:
    try:
        return normal_uuid(text)
    except Unreadable as e:
        raise ConfigError(f"{where}: found '{text}'; want a UUID") from e


def _generated(path: Path) -> str:
    """The UUID made at the first start."""
    kept = path.with_suffix(".uuid")
    try:
        if not kept.exists():
            kept.write_text(f"{uuid4()}\n", encoding="ascii")
        found = kept.read_text(encoding="ascii", errors="replace").strip()
    except OSError as e:
        why = f"cannot keep a generated UUID in {kept}: {e.strerror}"
        raise ConfigError(f"{path}: agent_uuid: {why}; make that possible, or write a UUID here") from e
    return _uuid(str(kept), found)
