"""``ip``: the agent's public addresses, as the outside sees them."""

from ipaddress import IPv4Address, IPv6Address

from protocol.errors import Unreadable
from protocol.reading import Text, elements, optional, string
from protocol.schemas import TEXT, array, nullable
from protocol.tasks.interface import TaskType


def _v4(text: Text) -> str:
    try:
        return str(IPv4Address(string(text)))
    except ValueError as e:
        raise Unreadable(f"invalid IPv4 address syntax: {e}") from e


def _v6(text: Text) -> str:
    try:
        address = IPv6Address(string(text))
    except ValueError as e:
        raise Unreadable(f"invalid IPv6 address syntax: {e}") from e
    if address.scope_id is not None:
        raise Unreadable("invalid IPv6 address syntax: zone ids are not accepted")
    mapped = address.ipv4_mapped
    return str(address) if mapped is None else f"::ffff:{mapped}"


def _pair(text: Text) -> tuple[str | None, str | None]:
    values = elements(text)
    if len(values) != 2:
        raise Unreadable(f"expected [IPv4 or null, IPv6 or null], found {len(values)} elements")
    return optional(_v4)(values[0]), optional(_v6)(values[1])


IP = TaskType(
    name="ip", read_task=None, read_result=_pair, result={**array(nullable(TEXT)), "minItems": 2, "maxItems": 2}
)
