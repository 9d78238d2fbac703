"""Agents by the names that people use."""

import msgspec
from msgspec import Struct

from cli.client import Client
from protocol.errors import ConfigError, Unreadable
from protocol.reading import normal_uuid


class _Agent(Struct):
    name: str
    uuid: str


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
    agents = msgspec.json.decode(client.call("agent_list", {}), type=list[_Agent])
    found = [agent.uuid for agent in agents if agent.name == name]
    if not found:
        known = ", ".join(sorted(agent.name for agent in agents)) or "none"
        raise ConfigError(f"--agent: no agent is named {name!r}; known are: {known}")
    return found[0]
