"""``cronprobe token``: who may do what."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import msgspec
import typer

from cli.client import Client
from cli.options import DEFAULT_SERVER, DEFAULT_STATE_DIR, ServerUrl, StateDir, TokenFile, TokenText, find_token
from cli.screen import Output, console, show
from protocol.errors import ConfigError, Unreadable
from protocol.permissions import read_limit
from protocol.reading import normal_uuid, sequence

token = typer.Typer(
    add_completion=False, help="Make, list and revoke tokens (with the root token).", no_args_is_help=True
)


class Kind(StrEnum):
    """What a token is for."""

    AGENT = "agent"
    SCHEDULER = "scheduler"
    READER = "reader"


def agent_limits(uuid: str) -> list[dict[str, object]]:
    """What an agent needs: to listen and to write results and reports, for its own UUID."""
    reports = ("static_monitoring", "dynamic_monitoring", "dynamic_monitoring_summary")
    permissions: list[object] = [{"task": "listen"}, {"task": {"write": "*"}}]
    return [{"scopes": [{"agent_uuid": uuid}], "permissions": permissions + [{area: "write"} for area in reports]}]


def _limits(kind: Kind, uuid: str | None) -> list[dict[str, object]]:
    if kind is Kind.AGENT:
        if uuid is None:
            raise ConfigError("--agent: an agent's token is for one agent; give its UUID")
        return agent_limits(uuid)
    operation = "create" if kind is Kind.SCHEDULER else "read"
    permissions: list[object] = [{"task": {operation: "*"}}]
    if kind is Kind.READER:
        permissions.append({"monitoring_uuid": "list"})
    scope: object = "global" if uuid is None else {"agent_uuid": uuid}
    return [{"scopes": [scope], "permissions": permissions}]


@token.command()
def create(
    kind: Annotated[Kind, typer.Argument(help="agent, scheduler or reader.")] = Kind.READER,
    agent: Annotated[str | None, typer.Option(help="Only for the agent with this UUID.", metavar="UUID")] = None,
    limits: Annotated[
        str | None, typer.Option(help="The limits themselves, as the protocol's JSON array.", metavar="JSON")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="RFC 3339 time from which it no longer works.", metavar="TIME")
    ] = None,
    server: ServerUrl = DEFAULT_SERVER,
    token_file: TokenFile = None,
    token: TokenText = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
) -> None:
    """
    Make a token and print it, key:secret. It is shown this once.

    Example: `cronprobe token create agent --agent e8583352-39e8-5a5b-b66c-e450689088fd`
    """
    try:
        uuid = None if agent is None else normal_uuid(agent)
        if limits is not None:
            sequence(read_limit)(limits.encode())
    except Unreadable as e:
        raise ConfigError(f"{'--limits' if limits else '--agent'}: {e}") from e
    creation: dict[str, object] = {
        "token_limit": _limits(kind, uuid) if limits is None else msgspec.Raw(limits.encode()),
        "timestamp_to": None if expires is None else _time_ms(expires),
    }
    client = Client(server, "")
    params: dict[str, object] = {"father_token": find_token(token_file, token, state_dir), "token_creation": creation}
    made = msgspec.json.decode(client.call("token_create", params))
    console.out(f"{made['key']}:{made['secret']}", highlight=False)


@token.command("list")
def list_tokens(
    output: Annotated[Output, typer.Option("--output", "-o")] = Output.TABLE,
    server: ServerUrl = DEFAULT_SERVER,
    token_file: TokenFile = None,
    token: TokenText = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
) -> None:
    """List all tokens; their secrets are not kept anywhere."""
    client = Client(server, find_token(token_file, token, state_dir))
    tokens = msgspec.json.decode(client.call("token_list_all_tokens", {}))["tokens"]
    if output is Output.JSON:
        console.out(msgspec.json.encode(tokens).decode(), highlight=False)
        return
    show(("key", "name", "from (UTC)", "to (UTC)", "limits"), map(_cells, tokens), output)


@token.command()
def revoke(
    key: Annotated[str, typer.Argument(help="The token's key: what stands before the colon.")],
    server: ServerUrl = DEFAULT_SERVER,
    token_file: TokenFile = None,
    token: TokenText = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
) -> None:
    """Delete a token: it stops working at once."""
    client = Client(server, find_token(token_file, token, state_dir))
    name = key.partition(":")[0]
    client.call("token_delete", {"target_token": name})
    console.out(f"revoked {name}", highlight=False)


def _cells(token: dict[str, Any]) -> tuple[object, ...]:
    times = (token["timestamp_from"], token["timestamp_to"])
    shown = [None if t is None else datetime.fromtimestamp(t / 1000, UTC).isoformat(timespec="seconds") for t in times]
    limits = msgspec.json.encode(token["token_limit"]).decode() if token["token_limit"] else None
    return token["token_key"], token["username"], *shown, limits


def _time_ms(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as e:
        raise ConfigError(f"--expires: {text!r} is no time; want 2026-01-31T12:00:00Z") from e
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment <= datetime.now(UTC):
        raise ConfigError(f"--expires: {text!r} is past; want a time to come")
    return int(moment.timestamp() * 1000)
