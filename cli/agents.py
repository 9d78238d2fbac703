"""``cronprobe agents``: who is there; and for all verbs, agents by the names that people use."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer
from msgspec import Struct

from cli.client import Client
from cli.options import DEFAULT_SERVER, DEFAULT_STATE_DIR, ServerUrl, StateDir, TokenFile, TokenText, find_token
from cli.screen import Output, console, show
from cli.times import age_text
from protocol.errors import ConfigError, Unreadable
from protocol.reading import normal_uuid

_COLUMNS = ("agent", "uuid", "connected", "version", "last seen", "skew ms", "running", "labels")


class Agent(Struct):
    """As the server lists it: ``last_seen`` in s since the epoch, ``clock_skew`` in s, ``None`` before its first."""

    name: str
    uuid: str
    connected: bool = False
    version: str = ""
    last_seen: float | None = None
    clock_skew: float | None = None
    running: int = 0
    labels: Mapping[str, str] = {}


def agents(
    output: Annotated[Output, typer.Option("--output", "-o")] = Output.TABLE,
    server: ServerUrl = DEFAULT_SERVER,
    token_file: TokenFile = None,
    token: TokenText = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
) -> None:
    """
    List the agents that the server knows, connected or not; those that are away come first.

    Example: `cronprobe agents -o json`
    """
    client = Client(server, find_token(token_file, token, state_dir))
    listed = client.call("agent_list", {})
    if output is Output.JSON:
        console.out(listed.decode(), highlight=False)
        return
    found = sorted(msgspec.json.decode(listed, type=list[Agent]), key=lambda agent: (agent.connected, agent.name))
    now_s = datetime.now(UTC).timestamp()
    show(_COLUMNS, (_cells(agent, now_s) for agent in found), output)


def _cells(agent: Agent, now_s: float) -> Sequence[object]:
    return (
        agent.name,
        agent.uuid,
        "yes" if agent.connected else "no",
        agent.version,
        None if agent.last_seen is None else f"{age_text(now_s - agent.last_seen)} ago",
        None if agent.clock_skew is None else round(agent.clock_skew * 1000),
        agent.running,
        " ".join(f"{name}={value}" for name, value in agent.labels.items()),
    )


def list_agents(client: Client) -> list[Agent]:
    """Every agent that the token may know of."""
    return msgspec.json.decode(client.call("agent_list", {}), type=list[Agent])


def agent_uuid(client: Client, name: str) -> str:
    """
    The UUID of the agent with this name; a UUID stands for itself.

    Raises:
        ConfigError: the server knows no such agent.
    """
    try:
        return normal_uuid(name)
    except Unreadable:
        pass
    known = list_agents(client)
    found = [agent.uuid for agent in known if agent.name == name]
    if not found:
        names = ", ".join(sorted(agent.name for agent in known)) or "none"
        raise ConfigError(f"--agent: no agent is named {name!r}; known are: {names}")
    return found[0]
