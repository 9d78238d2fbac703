"""``ip``: the agent's public addresses, as a provider on the internet sees them; what is not to be had is ``None``."""

import asyncio
from ipaddress import IPv4Address, IPv6Address

import msgspec
from yarl import URL

from agent.probes.http_client import HTTP_FAILURES, open_client
from agent.probes.interface import Ending, Found

LIMIT_S = 5
LARGEST_ANSWER = 64 * 1024


async def probe(_payload: None, *, v4_url: str, v6_url: str) -> Ending:
    """(IPv4, IPv6), each asked over its own family."""
    v4, v6 = await asyncio.gather(_ask(v4_url, "ipv4 auto"), _ask(v6_url, "ipv6 auto"))
    return Found((_address(IPv4Address, v4), _address(IPv6Address, v6)))


async def _ask(url: str, egress: str) -> bytes:
    """What the provider says; nothing when it cannot be asked."""
    try:
        async with (
            asyncio.timeout(LIMIT_S),
            open_client(egress) as (client, _),
            client.get(URL(url, encoded=True)) as response,
        ):
            return await response.content.read(LARGEST_ANSWER)
    except (*HTTP_FAILURES, TimeoutError):
        return b""


def _address(family: type[IPv4Address] | type[IPv6Address], answer: bytes) -> str | None:
    """The address in a JSON object's ``ip``, or in a line ``ip=…``."""
    try:
        found = str(msgspec.json.decode(answer, type=dict[str, object]).get("ip"))
    except (msgspec.DecodeError, UnicodeDecodeError):
        lines = answer.decode(errors="replace").splitlines()
        found = next((line.removeprefix("ip=") for line in lines if line.startswith("ip=")), "")
    try:
        return str(family(found))
    except ValueError:
        return None
