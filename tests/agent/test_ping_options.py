"""What each option changes of the echoes that leave, seen by a raw socket, and of what is said about the replies."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from agent.probes import ping
from agent.probes.icmp import Icmp
from agent.probes.interface import Ending, Failed, Found
from agent.probes.resolving import Address
from protocol.outcomes import Reason
from protocol.tasks.ping import PingOptions
from tests.agent.probing import probes_of, work
from tests.agent.scripted_server import ScriptedServer, task
from tests.agent.targets import ip_of
from tests.agent.test_agent_probes import NO_SUCH_NAME, THRICE, HastyIcmp
from tests.agent.test_agent_sessions import agent_of
from tests.externals import absent

ECHO_REQUEST = {socket.AF_INET: 8, socket.AF_INET6: 128}


class LossyIcmp(Icmp):
    """Real echoes, of which every other one is given up before a reply can be read, the first not."""

    def __init__(self) -> None:
        super().__init__()
        self._count = 0

    async def echo(self, address: Address, limit_s: float, options: PingOptions) -> float:
        self._count += 1
        return await super().echo(address, limit_s if self._count % 2 else 0, options)


class Requests:
    """The echo requests that reached ``ip`` meanwhile: the TTL of each and its payload, in order."""

    def __init__(self, raw: socket.socket, ip: str) -> None:
        self._raw = raw
        self._ip = ip

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        while True:
            try:
                packet, ancillary, _, source = self._raw.recvmsg(70_000, 1_000)
            except BlockingIOError:
                return
            if self._raw.family == socket.AF_INET6:
                # Without its IP header; the kernel says the hop limit.
                (ttl,) = (int.from_bytes(value, sys.byteorder) for *_, value in ancillary)
                is_ours = source[0] == self._ip
            else:
                ttl, is_ours = packet[8], packet[16:20] == socket.inet_aton(self._ip)
                packet = packet[(packet[0] & 0x0F) * 4 :]
            if is_ours and packet[0] == ECHO_REQUEST[self._raw.family]:
                yield ttl, packet[8:]


@contextmanager
def requests_to(ip: str) -> Iterator[Requests]:
    is_v6 = ":" in ip
    family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if is_v6 else (socket.AF_INET, socket.IPPROTO_ICMP)
    try:
        raw = socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, protocol)
    except PermissionError:
        absent("raw sockets are not permitted; run as root")
    with raw:
        if is_v6:
            raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        yield Requests(raw, ip)


async def probe(target: str, **options: Any) -> Ending:
    async with probes_of() as probes:
        return await probes["ping"].run(work("ping", target, options=PingOptions(**options)))


async def test_several_echoes_are_one_result_with_its_spread() -> None:
    with requests_to("127.0.7.1") as requests:
        ending = await probe("127.0.7.1", count=4, interval_ms=10)
        assert len(list(requests)) == 4
    assert isinstance(ending, Found)
    detail = ending.detail
    assert detail is not None
    assert {name: detail[name] for name in ("address", "sent", "received", "loss")} == {
        "address": "127.0.7.1",
        "sent": 4,
        "received": 4,
        "loss": 0,
    }
    assert ending.payload == detail["rtt_avg_ms"]
    assert 0 < detail["rtt_min_ms"] <= detail["rtt_avg_ms"] <= detail["rtt_max_ms"] < 1000
    assert 0 < detail["rtt_stddev_ms"] < 1000
    assert sorted(detail["rtts_ms"])[0::3] == [detail["rtt_min_ms"], detail["rtt_max_ms"]]
    assert len(detail["rtts_ms"]) == 4


async def test_one_echo_with_options_has_the_detail_too() -> None:
    ending = await probe("127.0.0.1")
    assert isinstance(ending, Found)
    assert ending.detail is not None
    assert ending.detail["sent"] == 1
    assert ending.detail["rtt_stddev_ms"] == 0
    assert "rtts_ms" not in ending.detail


async def test_echoes_leave_an_interval_apart() -> None:
    loop = asyncio.get_running_loop()
    start_s = loop.time()
    await probe("127.0.0.1", count=3, interval_ms=40)
    assert loop.time() - start_s >= 0.079  # uvloop tells the time in whole milliseconds


async def test_partial_loss_is_a_success_that_says_so() -> None:
    with LossyIcmp() as icmp:
        ending = await ping.probe(work("ping", "127.0.0.1", options=PingOptions(count=4, interval_ms=10)), icmp=icmp)
    assert isinstance(ending, Found)
    assert ending.payload > 0
    assert ending.detail is not None
    assert (ending.detail["sent"], ending.detail["received"], ending.detail["loss"]) == (4, 2, 50)


async def test_without_any_reply_it_times_out_as_one_echo_does() -> None:
    with HastyIcmp() as icmp:
        ending = await ping.probe(work("ping", "127.0.0.1", options=PingOptions(count=2, interval_ms=10)), icmp=icmp)
    text = THRICE + "timeout: no reply from 127.0.0.1 within 2s"
    detail = {"address": "127.0.0.1", "sent": 2, "received": 0, "loss": 100}
    assert ending == Failed(Reason.TIMEOUT, text, detail)


@pytest.mark.parametrize("ip", ["127.0.7.2", "::1"])
@pytest.mark.parametrize("size", [0, 1, 57, 65_000])
async def test_size_is_that_of_the_payload(ip: str, size: int) -> None:
    with requests_to(ip) as requests:
        assert isinstance(await probe(ip, size=size), Found)
        assert [len(payload) for _, payload in requests] == [size]


async def test_an_echo_without_options_has_56_bytes() -> None:
    with requests_to("127.0.7.3") as requests:
        async with probes_of() as probes:
            await probes["ping"].run(work("ping", "127.0.7.3"))
        assert [payload for _, payload in requests] == [bytes(range(56))]


@pytest.mark.parametrize("ip", ["127.0.7.4", "::1"])
async def test_a_ttl_is_that_of_its_own_ping_alone(ip: str) -> None:
    with requests_to(ip) as requests:
        async with probes_of() as probes:
            for options in (PingOptions(), PingOptions(ttl=3), PingOptions(ttl=255), PingOptions()):
                await probes["ping"].run(work("ping", ip, options=options))
        ttls = [ttl for ttl, _ in requests]
    assert ttls[1:3] == [3, 255]
    assert ttls[0] == ttls[3] not in (3, 255)


@pytest.mark.parametrize("family", [4, 6])
async def test_family_chooses_among_the_addresses_of_a_name(family: int) -> None:
    ending = await probe("localhost", family=family)
    ip = ip_of("localhost", family)
    if ip is None:
        assert ending == Failed(Reason.DNS, f"{THRICE}Invalid target: it has no IPv{family} address")
    else:
        assert isinstance(ending, Found)
        assert ending.detail is not None
        assert ending.detail["address"] == ip


@pytest.mark.parametrize(("target", "family"), [("127.0.0.1", 6), ("::1", 4), (NO_SUCH_NAME, 6)])
async def test_a_target_without_an_address_of_the_family_is_invalid(target: str, family: int) -> None:
    text = f"{THRICE}Invalid target: it has no IPv{family} address"
    assert await probe(target, family=family) == Failed(Reason.DNS, text)


PING_WITH_A_SMALL_MTU = """
import asyncio
from protocol.tasks.ping import PingOptions
from tests.agent.probing import probes_of, work

async def ask():
    async with probes_of() as probes:
        for target in ("127.0.0.1", "::1"):
            for size, dont_fragment in ((1400, True), (2000, True), (2000, False)):
                options = PingOptions(size=size, dont_fragment=dont_fragment)
                ending = await probes["ping"].run(work("ping", target, options=options))
                print(size, dont_fragment, getattr(ending, "message", "reply"))

asyncio.run(ask())
"""


@pytest.mark.external("unshare")
@pytest.mark.external("ip")
@pytest.mark.asyncio(loop_factories=["uvloop"])
async def test_dont_fragment_sends_nothing_that_is_larger_than_the_path_takes() -> None:
    namespace = ["unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up mtu 1500 && exec "$@"', "sh"]
    command = [*namespace, sys.executable, "-c", PING_WITH_A_SMALL_MTU]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unshare failed" in done.stderr:
        absent("network namespaces are not permitted; run as root")
    too_long = f"2000 True {THRICE}[Errno 90] Message too long"
    assert done.stdout.splitlines() == ["1400 True reply", too_long, "2000 False reply"] * 2, done.stderr


async def test_echoes_that_do_not_fit_into_the_tasks_time_are_not_begun(server: ScriptedServer) -> None:
    async with agent_of(server) as session:
        options = {"count": 5, "interval_ms": 1000}
        (upload,) = await session.run(task(1, {"ping": "127.0.0.1"}, timeout_ms=4000, options=options))
    assert upload["reason"] == "refused"
    left = upload["error_message"].removeprefix(f"{THRICE}5 echoes every 1000 ms do not fit into the ")
    assert left in (f"{s}s left; lower count or interval_ms, or raise the timeout" for s in ("3.8", "3.7"))


@pytest.mark.parametrize(("left_s", "most_s"), [(1.0, 0.9), (0.5, 0.45), (60.0, 2.0)])
async def test_the_wait_for_replies_ends_before_the_task_does(left_s: float, most_s: float) -> None:
    ends_s = asyncio.get_running_loop().time() + left_s
    with HastyIcmp() as icmp:
        ending = await ping.probe(replace(work("ping", "127.0.0.1", options=PingOptions()), ends_s=ends_s), icmp=icmp)
    assert isinstance(ending, Failed)
    prefix, _, limit = ending.message.rpartition(" ")
    assert prefix == f"{THRICE}timeout: no reply from 127.0.0.1 within"
    assert most_s - 0.2 < float(limit.removesuffix("s")) <= most_s


async def test_options_that_are_none_are_refused_with_what_is_wrong(server: ScriptedServer) -> None:
    async with agent_of(server) as session:
        tasks = [
            task(1, {"ping": "127.0.0.1"}, options={"count": 0}),
            task(2, {"ping": "127.0.0.1"}, options={"cuont": 2}),
            task(3, "ip", options={"family": 4}),
            task(4, {"ping": "127.0.0.1"}, options=None),
        ]
        uploads = await session.run(*tasks)
    assert [upload["error_message"] for upload in uploads] == [
        "Other error: options.count: found 0; want 1 to 100 echoes",
        "Other error: options.cuont: unknown option; want one of count, interval_ms, size, family, ttl, dont_fragment",
        "Other error: options: ip takes none; remove them",
        None,
    ]
    assert [upload.get("reason") for upload in uploads] == ["refused", "refused", "refused", None]
