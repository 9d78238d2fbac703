"""``ping``: one ICMP echo to an address, or to the first one of a name; resolving is not measured."""

import asyncio

from agent.probes.icmp import Icmp, IcmpNotPermitted
from agent.probes.interface import Ending, Failed, Found
from agent.probes.reasons import os_reason, text_of
from agent.probes.resolving import first_address
from protocol.outcomes import Reason

RESOLVE_LIMIT_S = 2
REPLY_LIMIT_S = 2
_PREFIX = "Other error: Other error: Other error: "


async def probe(target: str, *, icmp: Icmp) -> Ending:
    """The round trip of one echo, in ms."""
    try:
        async with asyncio.timeout(RESOLVE_LIMIT_S):
            address = await first_address(target, 0)
    except (OSError, UnicodeError):
        return Failed(Reason.DNS, _PREFIX + "Invalid target")
    detail = {"address": address.ip}
    try:
        return Found(await icmp.echo(address, REPLY_LIMIT_S))
    except TimeoutError:
        text = f"timeout: no reply from {address.ip} within {REPLY_LIMIT_S}s"
        return Failed(Reason.TIMEOUT, _PREFIX + text, detail)
    except IcmpNotPermitted as e:
        return Failed(Reason.INTERNAL, _PREFIX + str(e), detail)
    except OSError as e:
        return Failed(os_reason(e), _PREFIX + text_of(e), detail)
