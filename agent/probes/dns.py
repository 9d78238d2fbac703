"""
``dns``: the records of a name, each type asked for by itself, with the time that its answer took.

A type that has no answer is left out; it is a failure only when none has one.
"""

import ipaddress
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from dns.asyncresolver import Resolver
from dns.exception import DNSException, Timeout
from dns.resolver import NoResolverConfiguration
from dns.reversename import from_address

from agent.probes.interface import Ending, Failed, Found
from protocol.outcomes import Reason
from protocol.tasks.dns import Dns, DnsRecord

TYPE_LIMIT_S = 5.0
_PREFIX = "Other error: Other error: Other error: "
_SERVER = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<v4>[0-9.]+)):(?P<port>[0-9]{1,5})")

# How the records of a type read; the others by the library's presentation format (RFC 1035, 5.1).
_TEXTS: Mapping[str, Callable[[Any], str]] = {
    "txt": lambda record: b"".join(record.strings).decode(errors="replace"),
    "caa": lambda record: f'{record.tag.decode()} "{record.value.decode(errors="replace")}"',
}


async def probe(dns: Dns) -> Ending:
    """All records found, in the order of the types."""
    try:
        resolver = _resolver(dns.dns_server)
    except NoResolverConfiguration as e:
        return Failed(Reason.INTERNAL, f"{_PREFIX}{e}")
    if resolver is None:
        return Failed(Reason.PROBE_ERROR, f"{_PREFIX}Invalid DNS server address '{dns.dns_server}': want ip:port")
    records: list[DnsRecord] = []
    failures: list[DNSException | OSError | ValueError] = []
    for type_name in dns.record_types:
        start_s = time.perf_counter()
        try:
            answer = await _ask(resolver, dns.domain, type_name)
        except (DNSException, OSError, ValueError) as e:
            failures.append(e)
            continue
        time_ms = (time.perf_counter() - start_s) * 1000
        records += [DnsRecord(type_name, time_ms, text) for text in answer]
    if records or not dns.record_types:
        return Found(records)
    only_timeouts = bool(failures) and all(isinstance(failure, Timeout) for failure in failures)
    text = f"DNS query returned no results for domain '{dns.domain}', all {len(dns.record_types)} record types queried"
    why = {"why": str(failures[-1])} if failures else None
    return Failed(Reason.TIMEOUT if only_timeouts else Reason.DNS, _PREFIX + text, why)


async def _ask(resolver: Resolver, domain: str, type_name: str) -> list[str]:
    """The answer's records of this type, as text. ``ValueError``: ``ptr`` asks for an address, not a name."""
    name = from_address(domain) if type_name == "ptr" else domain
    answer = await resolver.resolve(name, type_name, lifetime=TYPE_LIMIT_S)
    text = _TEXTS.get(type_name, str)
    return [text(record) for record in answer]


def _resolver(server: str | None) -> Resolver | None:
    """The resolver at ``ip:port``, or the system's for ``None``; ``None`` when ``server`` is neither."""
    if server is None:
        return Resolver()
    parts = _SERVER.fullmatch(server)
    if parts is None or int(parts["port"]) > 65535:
        return None
    try:
        address = ipaddress.ip_address(parts["v6"] or parts["v4"])
    except ValueError:
        return None
    resolver = Resolver(configure=False)
    resolver.nameservers = [str(address)]
    resolver.port = int(parts["port"])
    return resolver
