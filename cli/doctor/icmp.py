"""Can this machine ping: an ICMP socket may be opened, and an echo comes back."""

import asyncio
from collections.abc import Iterator

from agent.probes.icmp import Icmp, IcmpNotPermitted
from agent.probes.resolving import first_address
from cli.doctor.interface import LIMIT_S, Finding, Machine, fail, ok
from protocol.tasks.ping import PingOptions

_HERE = "127.0.0.1"
_REMEDY = (
    "one of: sysctl -w net.ipv4.ping_group_range='0 2147483647'; AmbientCapabilities=CAP_NET_RAW in the unit; root. "
    "A machine that runs no agent needs none"
)


def check_icmp(_machine: Machine) -> Iterator[Finding]:
    """An echo to this machine, by the socket that an agent would use."""
    try:
        round_trip_ms = asyncio.run(_echo())
    except IcmpNotPermitted:
        yield fail("icmp", "no ICMP socket may be opened here: pings end as unknown / internal", _REMEDY)
    except TimeoutError:
        yield fail("icmp", f"no answer from {_HERE} within {LIMIT_S:g} s", "let the firewall pass ICMP echoes on lo")
    except OSError as e:
        yield fail("icmp", f"{_HERE}: {e.strerror or e}", "bring up the loopback interface: ip link set lo up")
    else:
        yield ok("icmp", f"{_HERE} answers in {round_trip_ms:.2f} ms")


async def _echo() -> float:
    with Icmp() as icmp:
        return await icmp.echo(await first_address(_HERE, 0), LIMIT_S, PingOptions())
