"""Which rows a person asks for, as the protocol's conditions."""

from cli.agents import agent_uuid
from cli.client import Client
from cli.options import check_type
from cli.times import since_ms


def conditions(
    client: Client,
    *,
    cron_source: str | None = None,
    task_type: str | None = None,
    agent: str | None = None,
    since: str | None = None,
    failed: bool = False,
) -> list[object]:
    """
    All that is given must hold; ``None`` asks for nothing. ``client`` knows the agents' names.

    Raises:
        ConfigError: there is no such task type, agent or time.
    """
    found: list[object] = []
    if cron_source is not None:
        found.append({"cron_source": cron_source})
    if task_type is not None:
        found.append({"type": check_type(task_type, "--type")})
    if agent is not None:
        found.append({"uuid": agent_uuid(client, agent)})
    if since is not None:
        found.append({"timestamp_from": since_ms(since)})
    if failed:
        found.append("is_failure")
    return found
