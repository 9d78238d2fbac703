"""``dns``: every record type of a real name server on loopback, and what is said when there is nothing."""

import asyncio
import time
from typing import Any

import pytest

import agent.probes.dns as dns_probe
from agent.probes.interface import Ending, Failed, Found
from protocol.outcomes import Reason
from protocol.tasks.dns import Dns, DnsRecord
from tests.agent.name_server import ZONE, NameServer, from_zone, open_name_server, truncated
from tests.agent.probing import probes_of, work

DATA = {
    "a": ["192.0.2.1", "192.0.2.2"],
    "aaaa": ["2001:db8::1"],
    "cname": ["other.example."],
    "mx": ["10 mail.example."],
    "txt": ["v=spf1 -all"],
    "ns": ["ns1.example."],
    "srv": ["1 2 443 srv.example."],
    "soa": ["ns1.example. admin.example. 7 3600 600 86400 60"],
    "caa": ['issue "ca.example"'],
}
NOTHING = (
    "Other error: Other error: Other error: DNS query returned no results for domain '{}', all {} record types queried"
)


async def ask(server: NameServer | str | None, domain: str, *types: Any) -> Ending:
    address = server.address if isinstance(server, NameServer) else server
    async with probes_of() as probes:
        return await probes["dns"].run(work("dns", Dns(domain, list(types), address)))


def found(ending: Ending) -> list[tuple[str, str]]:
    assert isinstance(ending, Found), ending
    records: list[DnsRecord] = ending.payload
    assert all(0 < record.time < 5_000 for record in records)
    return [(record.record_type, record.data) for record in records]


async def test_every_type_is_asked_for_in_its_order_and_written_in_its_form() -> None:
    assert set(DATA) | {"ptr"} == set(ZONE)
    async with open_name_server() as server:
        records = found(await ask(server, "host.example", *DATA))
        assert list(dict.fromkeys(type_name for type_name, _ in records)) == list(DATA)
        assert sorted(records) == sorted((type_name, text) for type_name, texts in DATA.items() for text in texts)
        assert server.asked == list(DATA)
        assert found(await ask(server, "192.0.2.1", "ptr")) == [("ptr", "host.example.")]


async def test_the_records_of_one_type_have_one_time() -> None:
    async with open_name_server() as server:
        ending = await ask(server, "host.example", "a")
    assert isinstance(ending, Found)
    assert len({record.time for record in ending.payload}) == 1


async def test_a_type_that_fails_is_left_out() -> None:
    async with open_name_server(lambda query: None if "MX" in str(query) else from_zone(query)) as server:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(dns_probe, "TYPE_LIMIT_S", 0.2)
            assert found(await ask(server, "host.example", "mx", "ptr", "aaaa")) == [("aaaa", "2001:db8::1")]


async def test_nothing_at_all_is_a_failure_and_nothing_asked_is_none() -> None:
    async with open_name_server() as server:
        ending = await ask(server, "gone.example", "a", "mx")
        assert isinstance(ending, Failed)
        assert (ending.reason, ending.message) == (Reason.DNS, NOTHING.format("gone.example", 2))
        assert await ask(server, "gone.example") == Found([])


async def test_a_server_that_says_nothing_is_a_timeout() -> None:
    async with open_name_server(lambda _query: None) as server:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(dns_probe, "TYPE_LIMIT_S", 0.2)
            start_s = time.monotonic()
            ending = await ask(server, "host.example", "a")
            assert time.monotonic() - start_s < 2
    assert isinstance(ending, Failed)
    assert (ending.reason, ending.message) == (Reason.TIMEOUT, NOTHING.format("host.example", 1))


async def test_an_answer_that_was_cut_is_asked_for_again_over_tcp() -> None:
    async with open_name_server(truncated) as server:
        assert found(await ask(server, "host.example", "aaaa")) == [("aaaa", "2001:db8::1")]


async def test_garbage_is_no_answer() -> None:
    async with open_name_server(lambda query: query.id.to_bytes(2, "big") + b"\x81\x80garbage") as server:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(dns_probe, "TYPE_LIMIT_S", 0.3)
            assert isinstance(await ask(server, "host.example", "a"), Failed)


@pytest.mark.parametrize("domain", ["", "a..b", "x" * 64 + ".example", "\udc80", "xn--\x00", "." * 300])
async def test_a_name_that_is_none_is_a_failure(domain: str) -> None:
    async with open_name_server() as server:
        assert isinstance(await ask(server, domain, "mx", "ptr"), Failed)


@pytest.mark.parametrize(
    "server", ["192.0.2.53", "host.example:53", "127.0.0.1:70000", "[::1]", "::1:53", "", ":53", "1.2.3:53"]
)
async def test_a_server_is_an_address_with_a_port(server: str) -> None:
    text = f"Other error: Other error: Other error: Invalid DNS server address '{server}': want ip:port"
    assert await ask(server, "host.example", "a") == Failed(Reason.PROBE_ERROR, text)


async def test_look_ups_run_side_by_side() -> None:
    async with open_name_server() as server:
        endings = await asyncio.gather(*(ask(server, "host.example", "a") for _ in range(30)))
    assert all(len(found(ending)) == 2 for ending in endings)
