"""
``ping``: ICMP echoes to an address, or to the first one of a name; resolving is not measured.

One echo, unless the options want more; then the result is the mean of the round trips, and the rest is in the detail.
"""

import asyncio
import statistics
from typing import Any

from agent.probes.icmp import Icmp, IcmpNotPermitted
from agent.probes.interface import Ending, Failed, Found, Work
from agent.probes.reasons import os_reason, text_of
from agent.probes.resolving import Address, first_address
from protocol.outcomes import Reason
from protocol.tasks.ping import PingOptions

RESOLVE_LIMIT_S = 2
REPLY_LIMIT_S = 2
# Of the time that a task has, the echoes may take this much, and the last reply has this much of the rest.
_MOST_FOR_SENDING = 0.8
_MOST_OF_THE_REST = 0.9
_PREFIX = "Other error: Other error: Other error: "

Echo = float | OSError | IcmpNotPermitted


async def probe(work: Work, *, icmp: Icmp) -> Ending:
    """The mean round trip of the echoes that were answered, in ms."""
    options = work.event.options
    wanted = options if isinstance(options, PingOptions) else PingOptions()
    try:
        async with asyncio.timeout(RESOLVE_LIMIT_S):
            address = await first_address(work.event.task.payload, 0, wanted.family)
    except (OSError, UnicodeError):
        which = "" if wanted.family is None else f": it has no IPv{wanted.family} address"
        return Failed(Reason.DNS, f"{_PREFIX}Invalid target{which}")
    left_s = None if work.ends_s is None else work.ends_s - asyncio.get_running_loop().time()
    span_s = wanted.span_ms / 1000
    reply_limit_s: float = REPLY_LIMIT_S
    if options is not None and left_s is not None:
        if span_s > left_s * _MOST_FOR_SENDING:
            return Failed(Reason.REFUSED, _too_long(wanted, left_s))
        reply_limit_s = min(reply_limit_s, (left_s - span_s) * _MOST_OF_THE_REST)
    echoes = await _echoes(icmp, address, reply_limit_s, wanted)
    counts = {} if options is None else _counts(echoes)
    return _ending(address, echoes, reply_limit_s, counts)


async def _echoes(icmp: Icmp, address: Address, limit_s: float, options: PingOptions) -> list[Echo]:
    loop = asyncio.get_running_loop()
    start_s = loop.time()
    echoes = []
    async with asyncio.TaskGroup() as group:
        for number in range(options.count):
            await asyncio.sleep(start_s + number * options.interval_ms / 1000 - loop.time())
            echoes.append(group.create_task(_echo(icmp, address, limit_s, options), name=f"echo {number}"))
    return [echo.result() for echo in echoes]


async def _echo(icmp: Icmp, address: Address, limit_s: float, options: PingOptions) -> Echo:
    try:
        return await icmp.echo(address, limit_s, options)
    except (OSError, IcmpNotPermitted) as e:
        return e


def _counts(echoes: list[Echo]) -> dict[str, Any]:
    """What the detail says of several echoes; one that failed on our side was not sent."""
    round_trips_ms = _answered(echoes)
    sent = sum(isinstance(echo, float) or _reason(echo) is not Reason.INTERNAL for echo in echoes)
    counts: dict[str, Any] = {"sent": sent, "received": len(round_trips_ms)}
    if sent:
        counts["loss"] = 100 * (sent - len(round_trips_ms)) / sent
    if round_trips_ms:
        counts |= {
            "rtt_min_ms": min(round_trips_ms),
            "rtt_avg_ms": statistics.fmean(round_trips_ms),
            "rtt_max_ms": max(round_trips_ms),
            "rtt_stddev_ms": statistics.pstdev(round_trips_ms),
        }
        if len(echoes) > 1:
            counts["rtts_ms"] = round_trips_ms
    return counts


def _ending(address: Address, echoes: list[Echo], limit_s: float, counts: dict[str, Any]) -> Ending:
    """Some replies are a success; without any, an error says more than that nothing came."""
    detail = {**address.told, **counts}
    round_trips_ms = _answered(echoes)
    if round_trips_ms:
        says_more = counts or address.resolve_ms is not None
        return Found(statistics.fmean(round_trips_ms), detail if says_more else None)
    failures = [echo for echo in echoes if not isinstance(echo, float)]
    failure = next((failure for failure in failures if not isinstance(failure, TimeoutError)), failures[0])
    silent = f"timeout: no reply from {address.ip} within {limit_s:.3g}s"
    text = silent if isinstance(failure, TimeoutError) else text_of(failure)
    return Failed(_reason(failure), _PREFIX + text, detail)


def _answered(echoes: list[Echo]) -> list[float]:
    return [echo for echo in echoes if isinstance(echo, float)]


def _reason(failure: OSError | IcmpNotPermitted) -> Reason:
    if isinstance(failure, TimeoutError):
        return Reason.TIMEOUT
    return Reason.INTERNAL if isinstance(failure, IcmpNotPermitted) else os_reason(failure)


def _too_long(options: PingOptions, left_s: float) -> str:
    echoes = f"{options.count} echoes every {options.interval_ms} ms"
    return f"{_PREFIX}{echoes} do not fit into the {left_s:.1f}s left; lower count or interval_ms, or raise the timeout"
