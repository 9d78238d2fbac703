"""What each server may ask this agent to do: nothing, unless its switches say otherwise."""

from agent.config import ServerConfig

SWITCHES = {
    "ping": "allow_icmp_ping",
    "tcp_ping": "allow_tcp_ping",
    "http_ping": "allow_http_ping",
    "http_request": "allow_http_request",
    "dns": "allow_dns",
    "ip": "allow_ip",
    "version": "allow_version",
    "execute": "allow_execute",
    "web_shell": "allow_web_shell",
    "read_config": "allow_read_config",
    "edit_config": "allow_edit_config",
    "self_update": "allow_self_update",
}


def permitted_types(server: ServerConfig) -> frozenset[str]:
    """The task types that this server may have run."""
    if not server.allow_task:
        return frozenset()
    if server.allow_task_type:
        return frozenset(server.allow_task_type)
    return frozenset(name for name, switch in SWITCHES.items() if getattr(server, switch))


def switch_of(server: ServerConfig, task_type: str) -> str:
    """Which key of the file decides on this type."""
    if not server.allow_task:
        return "allow_task"
    return "allow_task_type" if server.allow_task_type else SWITCHES[task_type]
