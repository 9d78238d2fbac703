"""
The file of an agent that joins a server: everything that ``cronprobe agent -c`` needs, with its token.

It allows what a prober needs and nothing that gives the server rights on the agent's machine.
"""

from json import dumps

from yarl import URL

_ALLOWED = ("icmp_ping", "tcp_ping", "http_ping", "http_request", "dns", "ip", "version")


def agent_file(*, agent_uuid: str, server_url: str, server_uuid: str, token: str) -> str:
    """
    The text, TOML. ``server_url`` is the server's as it was called: the agent dials the same by WebSocket.

    Strings are written as JSON writes them, which TOML reads.
    """
    url = URL(server_url)
    strings = {
        "name": url.host or "",
        "server_uuid": server_uuid,
        "token": token,
        "ws_url": str(url.with_scheme("wss" if url.scheme == "https" else "ws")),
    }
    switches = ("allow_task", *(f"allow_{kind}" for kind in _ALLOWED))
    lines = [
        f"agent_uuid = {dumps(agent_uuid)}",
        "",
        "[[server]]",
        *(f"{key} = {dumps(value)}" for key, value in strings.items()),
        *(f"{key} = true" for key in switches),
    ]
    return "".join(f"{line}\n" for line in lines)
