"""``cronprobe token``: who may do what."""

import os
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import msgspec
import typer

from cli.client import Client
from cli.enrolment import agent_file
from cli.options import DEFAULT_SERVER, DEFAULT_STATE_DIR, ServerUrl, StateDir, TokenFile, TokenText, find_token
from cli.screen import Output, console, show
from cli.times import show_ms
from protocol.errors import ConfigError, Unreadable
from protocol.permissions import read_limit
from protocol.reading import normal_uuid, sequence

token = typer.Typer(
    add_completion=False, help="Make, list, change and revoke tokens (with the root token).", no_args_is_help=True
)


Key = Annotated[str, typer.Argument(help="The token's key (what stands before the colon), or its username.")]


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
        permissions += [{"crontab": "read"}, {"monitoring_uuid": "list"}]
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
    username: Annotated[
        str | None,
        typer.Option(help="Let NAME|PASSWORD work as well; the password is asked for, or in CRONPROBE_PASSWORD."),
    ] = None,
    toml: Annotated[
        bool, typer.Option("--toml", help="Print the agent's whole file, for `cronprobe agent -c`; it dials --server.")
    ] = False,
    server: ServerUrl = DEFAULT_SERVER,
    token_file: TokenFile = None,
    token: TokenText = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
) -> None:
    """
    Make a token and print it, key:secret. It is shown this once.

    Example: `cronprobe token create agent --agent e8583352-39e8-5a5b-b66c-e450689088fd`
    """
    if toml and (kind is not Kind.AGENT or agent is None):
        raise ConfigError("--toml: only an agent has a file; want token create agent --agent UUID --toml")
    creation: dict[str, object] = {
        "token_limit": _given_limits(kind, agent, limits),
        "timestamp_to": None if expires is None else _time_ms(expires),
        "username": username,
        "password": None if username is None else _password(username),
    }
    client = Client(server, "")
    params: dict[str, object] = {"father_token": find_token(token_file, token, state_dir), "token_creation": creation}
    made = msgspec.json.decode(client.call("token_create", params))
    text = f"{made['key']}:{made['secret']}\n"
    if toml and agent is not None:
        server_uuid = msgspec.json.decode(client.call("nodeget-server_uuid", {}))
        text = agent_file(agent_uuid=normal_uuid(agent), server_url=server, server_uuid=server_uuid, token=text.strip())
    console.out(text, highlight=False, end="")


@token.command("list")
def list_tokens(
    output: Annotated[Output, typer.Option("--output", "-o")] = Output.TABLE,
    server: ServerUrl = DEFAULT_SERVER,
    token_file: TokenFile = None,
    token: TokenText = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
) -> None:
    """
    List all tokens; their secrets are not kept anywhere.

    Example: `cronprobe token list -o csv`
    """
    client = Client(server, find_token(token_file, token, state_dir))
    tokens = msgspec.json.decode(client.call("token_list_all_tokens", {}))["tokens"]
    if output is Output.JSON:
        console.out(msgspec.json.encode(tokens).decode(), highlight=False)
        return
    show(("key", "name", "from (UTC)", "to (UTC)", "limits"), map(_cells, tokens), output)


@token.command()
def edit(
    key: Key,
    kind: Annotated[
        Kind | None, typer.Argument(help="agent, scheduler or reader; needed unless --limits is given.")
    ] = None,
    agent: Annotated[str | None, typer.Option(help="Only for the agent with this UUID.", metavar="UUID")] = None,
    limits: Annotated[
        str | None, typer.Option(help="The limits themselves, as the protocol's JSON array.", metavar="JSON")
    ] = None,
    server: ServerUrl = DEFAULT_SERVER,
    token_file: TokenFile = None,
    token: TokenText = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
) -> None:
    """
    Give a token other limits, which hold at once.

    Example: `cronprobe token edit 3kYwQx0bTq7LmVzN agent --agent e8583352-39e8-5a5b-b66c-e450689088fd`
    """
    if kind is None and limits is None:
        raise ConfigError("KIND: found none; want agent, scheduler or reader, or --limits")
    client = Client(server, find_token(token_file, token, state_dir))
    given = _given_limits(kind or Kind.READER, agent, limits)
    client.call("token_edit", {"target_token": _name(key), "limit": given})
    console.out(f"edited {_name(key)}", highlight=False)


@token.command()
def roll(
    key: Key,
    server: ServerUrl = DEFAULT_SERVER,
    token_file: TokenFile = None,
    token: TokenText = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
) -> None:
    """
    Give a token a new secret and print it, key:secret. The old secret stops working at once.

    Example: `cronprobe token roll hQRAHkBAVdijTYPs`
    """
    client = Client(server, find_token(token_file, token, state_dir))
    rolled = msgspec.json.decode(client.call("token_roll_token_secret", {"target_token": _name(key)}))
    console.out(f"{rolled['key']}:{rolled['secret']}", highlight=False)


@token.command()
def password(
    username: Annotated[str, typer.Argument(help="The token's username, or its key.")],
    server: ServerUrl = DEFAULT_SERVER,
    token_file: TokenFile = None,
    token: TokenText = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
) -> None:
    """
    Give a token with a username another password, asked for or in CRONPROBE_PASSWORD.

    Example: `cronprobe token password alice`
    """
    client = Client(server, find_token(token_file, token, state_dir))
    params: dict[str, object] = {"target_token": username, "new_password": _password(username)}
    client.call("token_change_password", params)
    console.out(f"changed the password of {username}", highlight=False)


@token.command()
def revoke(
    key: Key,
    server: ServerUrl = DEFAULT_SERVER,
    token_file: TokenFile = None,
    token: TokenText = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
) -> None:
    """
    Delete a token: it stops working at once, also on connections that are open.

    Example: `cronprobe token revoke hQRAHkBAVdijTYPs`
    """
    client = Client(server, find_token(token_file, token, state_dir))
    client.call("token_delete", {"target_token": _name(key)})
    console.out(f"revoked {_name(key)}", highlight=False)


def _name(key: str) -> str:
    """The key alone, should the whole token have been given."""
    return key.partition(":")[0]


def _password(username: str) -> str:
    given = os.environ.get("CRONPROBE_PASSWORD")
    return given if given is not None else typer.prompt(f"Password of {username}", hide_input=True, err=True)


def _given_limits(kind: Kind, agent: str | None, limits: str | None) -> object:
    try:
        if limits is None:
            return _limits(kind, None if agent is None else normal_uuid(agent))
        sequence(read_limit)(limits.encode())
    except Unreadable as e:
        raise ConfigError(f"{'--limits' if limits else '--agent'}: {e}") from e
    return msgspec.Raw(limits.encode())


def _cells(token: dict[str, Any]) -> tuple[object, ...]:
    shown = [show_ms(token[end], "seconds") for end in ("timestamp_from", "timestamp_to")]
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
