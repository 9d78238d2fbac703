"""Each probe against real targets on loopback: what it finds, and with which reason it fails."""

import asyncio
import base64
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web

from agent.probes import ping
from agent.probes.icmp import Icmp, IcmpNotPermitted
from agent.probes.interface import Ending, Failed, Found
from agent.probes.resolving import Address
from protocol.outcomes import Reason
from protocol.tasks.http_request import HttpRequest, HttpResponse
from protocol.tasks.ping import PingOptions
from tests.agent.probing import probes_of, work
from tests.agent.targets import closed_port, full_backlog, open_target, reply

ON_ONE_LOOP = pytest.mark.asyncio(loop_factories=["uvloop"])
THRICE = "Other error: Other error: Other error: "
# Too long for DNS, so that the system's resolver fails without asking anyone.
NO_SUCH_NAME = ".".join(["a" * 60] * 5)


class HastyIcmp(Icmp):
    """Real echoes, given up before a reply can be read: loopback has no address that is silent."""

    async def echo(self, address: Address, limit_s: float, options: PingOptions) -> float:
        return await super().echo(address, 0, options)


class BrokenIcmp(Icmp):
    """A system without a route or a permission."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    async def echo(self, address: Address, limit_s: float, options: PingOptions) -> float:
        raise self._error


async def probe(name: str, payload: Any) -> Ending:
    async with probes_of() as probes:
        return await probes[name].run(work(name, payload))


def request(url: str, **more: Any) -> HttpRequest:
    return HttpRequest(url=url, **({"method": "GET"} | more))


@pytest.mark.parametrize("target", ["127.0.0.1", "::1", "0:0:0:0:0:0:0:1", "localhost"])
async def test_ping_finds_loopback(target: str) -> None:
    ending = await probe("ping", target)
    assert isinstance(ending, Found)
    assert 0 < ending.payload < 1000


async def test_pings_at_once_each_get_their_own_reply() -> None:
    async with probes_of() as probes:
        targets = [f"127.0.0.{n}" for n in range(1, 101)]
        endings = await asyncio.gather(*(probes["ping"].run(work("ping", target)) for target in targets))
    assert all(isinstance(ending, Found) for ending in endings)


async def test_ping_of_a_name_that_does_not_resolve_is_an_invalid_target() -> None:
    for target in (NO_SUCH_NAME, "", "a" * 70):
        assert await probe("ping", target) == Failed(Reason.DNS, THRICE + "Invalid target")


async def test_ping_without_a_reply_times_out() -> None:
    with HastyIcmp() as icmp:
        ending = await ping.probe(work("ping", "127.0.0.1"), icmp=icmp)
    text = THRICE + "timeout: no reply from 127.0.0.1 within 2s"
    assert ending == Failed(Reason.TIMEOUT, text, {"address": "127.0.0.1"})


@pytest.mark.parametrize(
    ("error", "reason", "text"),
    [
        (
            OSError(errno.ENETUNREACH, "Network is unreachable"),
            Reason.UNREACHABLE,
            "[Errno 101] Network is unreachable",
        ),
        (PermissionError(errno.EPERM, "Not permitted"), Reason.INTERNAL, "[Errno 1] Not permitted"),
        (
            IcmpNotPermitted(),
            Reason.INTERNAL,
            "ICMP socket not permitted: run as root, give CAP_NET_RAW, or widen net.ipv4.ping_group_range",
        ),
    ],
)
async def test_ping_that_cannot_be_sent_says_why(error: Exception, reason: Reason, text: str) -> None:
    with BrokenIcmp(error) as icmp:
        assert await ping.probe(work("ping", "127.0.0.1"), icmp=icmp) == Failed(
            reason, THRICE + text, {"address": "127.0.0.1"}
        )


async def test_tcp_ping_times_the_connect() -> None:
    async with open_target() as target:
        ending = await probe("tcp_ping", f"localhost:{target.port}")
    assert isinstance(ending, Found)
    assert 0 < ending.payload < 1000


async def test_tcp_ping_reads_brackets() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        ending = await probe("tcp_ping", f"[::1]:{listener.getsockname()[1]}")
    assert isinstance(ending, Found)


async def test_tcp_ping_of_a_closed_port_is_refused() -> None:
    with closed_port() as port:
        ending = await probe("tcp_ping", f"127.0.0.1:{port}")
    text = THRICE + "Tcp Ping Error: Connection refused (os error 111)"
    assert ending == Failed(Reason.CONNECT_REFUSED, text, {"address": "127.0.0.1"})


@ON_ONE_LOOP
async def test_tcp_ping_gives_up_after_a_second() -> None:
    with full_backlog() as port:
        ending = await probe("tcp_ping", f"127.0.0.1:{port}")
    assert ending == Failed(Reason.CONNECT_TIMEOUT, THRICE + "Tcp Ping Timeout", {"address": "127.0.0.1"})


@pytest.mark.parametrize("target", ["", "host", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "::1:80", "[]:80"])
async def test_tcp_ping_of_no_host_and_port_does_not_resolve(target: str) -> None:
    ending = await probe("tcp_ping", target)
    assert isinstance(ending, Failed)
    assert ending.reason is Reason.DNS
    assert ending.message.startswith(THRICE + "Resolving host error: ")


async def test_tcp_ping_of_an_unknown_name_does_not_resolve() -> None:
    ending = await probe("tcp_ping", f"{NO_SUCH_NAME}:80")
    assert isinstance(ending, Failed)
    assert ending.reason is Reason.DNS
    assert ending.message.startswith(THRICE + "Resolving host error: ")


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "503 Service Unavailable"])
async def test_http_ping_takes_any_status(status: str) -> None:
    async with open_target(reply(status=status)) as target:
        ending = await probe("http_ping", target.url())
    assert isinstance(ending, Found)
    assert 0 < ending.payload < 1000
    assert ending.detail is not None
    assert list(ending.detail.pop("phases_ms")) == ["resolve", "connect", "tls", "processing"]
    detail = {"duration_ms": ending.payload, "status": int(status[:3]), "address": "127.0.0.1"}
    assert ending.detail == detail


async def test_http_ping_does_not_follow_redirects() -> None:
    async with open_target(reply(b"", "Location: /elsewhere", status="302 Found")) as target:
        ending = await probe("http_ping", target.url())
    assert isinstance(ending, Found)
    assert ending.detail is not None
    assert ending.detail["status"] == 302
    assert len(target.requests) == 1


async def test_http_ping_says_no_more_than_it_must() -> None:
    async with open_target(reply()) as target:
        await probe("http_ping", target.url("/x?y=%20z"))
    host = f"127.0.0.1:{target.port}"
    assert target.requests == [
        f"GET /x?y=%20z HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode()
    ]


@pytest.fixture
async def tls_port(certificate: ssl.SSLContext) -> AsyncIterator[int]:
    runner = web.AppRunner(web.Application(), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificate).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


HTTP_PROBES = [
    ("http_ping", str, THRICE + "Failed to http ping target: "),
    ("http_request", request, "Other error: Other error: HTTP request failed: "),
]


@pytest.mark.parametrize(("name", "payload", "prefix"), HTTP_PROBES, ids=["http_ping", "http_request"])
class TestHttpFailures:
    """Both HTTP probes fail with the same reasons."""

    async def fails(self, name: str, payload: Any, prefix: str, reason: Reason) -> None:
        ending = await probe(name, payload)
        assert isinstance(ending, Failed)
        assert ending.reason is reason
        assert ending.message.startswith(prefix)
        assert len(ending.message) > len(prefix)

    async def test_a_closed_port_refuses(self, name: str, payload: Callable[[str], Any], prefix: str) -> None:
        with closed_port() as port:
            await self.fails(name, payload(f"http://127.0.0.1:{port}/"), prefix, Reason.CONNECT_REFUSED)

    async def test_an_unknown_name_does_not_resolve(
        self, name: str, payload: Callable[[str], Any], prefix: str
    ) -> None:
        await self.fails(name, payload(f"http://{NO_SUCH_NAME}/"), prefix, Reason.DNS)

    async def test_garbage_is_no_http(self, name: str, payload: Callable[[str], Any], prefix: str) -> None:
        async with open_target(b"SSH-2.0-OpenSSH_9.2\r\n\r\n") as target:
            await self.fails(name, payload(target.url()), prefix, Reason.HTTP_PROTOCOL)

    async def test_a_dropped_connection_is_not_tried_again(
        self, name: str, payload: Callable[[str], Any], prefix: str
    ) -> None:
        async with open_target(b"", reply()) as target:
            await self.fails(name, payload(target.url()), prefix, Reason.HTTP_PROTOCOL)
        assert len(target.requests) == 1

    async def test_another_scheme_is_no_http(self, name: str, payload: Callable[[str], Any], prefix: str) -> None:
        await self.fails(name, payload("ftp://127.0.0.1/"), prefix, Reason.HTTP_PROTOCOL)

    async def test_a_self_signed_certificate_is_refused(
        self, name: str, payload: Callable[[str], Any], prefix: str, tls_port: int
    ) -> None:
        await self.fails(name, payload(f"https://localhost:{tls_port}/"), prefix, Reason.TLS)

    async def test_plain_text_is_no_tls(self, name: str, payload: Callable[[str], Any], prefix: str) -> None:
        async with open_target(greeting=reply()) as target:
            url = target.url().replace("http:", "https:")
            await self.fails(name, payload(url), prefix, Reason.TLS)


async def test_http_request_gives_the_whole_response() -> None:
    answer = reply(b'{"a": 1}', "Content-Type: application/json", "Set-Cookie: a=1", "Set-Cookie: b=2", "X-Bin: \xe9")
    async with open_target(answer) as target:
        ending = await probe("http_request", request(target.url("/x")))
    assert isinstance(ending, Found)
    assert ending.payload == HttpResponse(
        status=200,
        headers=[
            {"content-length": "8"},
            {"content-type": "application/json"},
            {"set-cookie": "a=1"},
            {"set-cookie": "b=2"},
            {"x-bin": base64.b64encode(b"\xe9").decode()},
        ],
        body='{"a": 1}',
    )
    assert ending.detail is not None
    assert 0 < ending.detail.pop("duration_ms") < 1000
    assert list(ending.detail.pop("phases_ms")) == ["resolve", "connect", "tls", "processing", "transfer"]
    assert ending.detail == {"status": 200, "address": "127.0.0.1"}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", {"body": ""}),
        ("é".encode(), {"body": "é"}),
        (b"\xff\x00", {"body_base64": "/wA="}),
        (b"\x1f\x8b-", {"body_base64": "H4st"}),
    ],
)
async def test_http_request_keeps_the_body_as_it_came(body: bytes, found: dict[str, str]) -> None:
    encoding = ["Content-Encoding: gzip"] if body.startswith(b"\x1f") else []
    async with open_target(reply(body, *encoding)) as target:
        ending = await probe("http_request", request(target.url()))
    assert isinstance(ending, Found)
    response = ending.payload
    assert response == HttpResponse(response.status, response.headers, **found)


async def test_http_request_sends_what_it_is_given_and_no_more() -> None:
    headers = {"x-a": "1", "user-agent": "me", "content-type": "text/plain"}
    async with open_target(reply()) as target:
        url = target.url("/p?q=1")
        await probe("http_request", request(url, method=" post ", headers=headers, body_base64="AAE=", ip="ipv4 auto"))
    head, *lines = target.requests[0].decode().split("\r\n")
    assert head == "POST /p?q=1 HTTP/1.1"
    assert sorted(line.lower() for line in lines if line) == [
        "accept: */*",
        "connection: close",
        "content-length: 2",
        "content-type: text/plain",
        f"host: 127.0.0.1:{target.port}",
        "user-agent: me",
        "x-a: 1",
    ]


async def test_http_request_leaves_by_the_address_it_is_given() -> None:
    async with open_target(reply()) as target:
        ending = await probe("http_request", request(target.url(), ip=" 127.0.0.9 "))
        assert isinstance(ending, Found)
        assert target.peers == ["127.0.0.9"]
        ending = await probe("http_request", request(target.url(), ip="IPv6 auto"))
        assert isinstance(ending, Failed)
        assert ending.reason is Reason.UNREACHABLE


def redirects(count: int) -> list[bytes]:
    return [reply(b"", "Location: /next", status="302 Found")] * count + [reply(b"there")]


async def test_http_request_follows_ten_redirects() -> None:
    async with open_target(*redirects(10)) as target:
        ending = await probe("http_request", request(target.url()))
    assert isinstance(ending, Found)
    assert ending.payload.body == "there"


async def test_http_request_does_not_follow_an_eleventh_redirect() -> None:
    async with open_target(*redirects(11)) as target:
        ending = await probe("http_request", request(target.url()))
    assert isinstance(ending, Failed)
    assert ending.reason is Reason.HTTP_PROTOCOL
    assert len(target.requests) == 11


@ON_ONE_LOOP
async def test_http_request_refuses_a_body_that_is_too_large() -> None:
    async with open_target(reply(bytes(64 * 1024 * 1024 + 1))) as target:
        ending = await probe("http_request", request(target.url()))
    assert isinstance(ending, Failed)
    assert ending.reason is Reason.BODY
    assert ending.message == "Other error: Other error: HTTP response body too large: exceeds 67108864 bytes"


async def test_http_request_fails_when_the_body_ends_early() -> None:
    async with open_target(reply(b"half")[:-2]) as target:
        ending = await probe("http_request", request(target.url()))
    assert isinstance(ending, Failed)
    assert ending.reason is Reason.HTTP_PROTOCOL
    assert ending.message.startswith("Other error: Other error: HTTP request failed: ")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"body": "a", "body_base64": "AA=="}, "http_request.body and http_request.body_base64 are mutually exclusive"),
        ({"method": "GE T"}, "Invalid http_request.method: 'GE T' is not an HTTP method"),
        ({"body_base64": "A"}, "Invalid http_request.body_base64: "),
        ({"ip": "eth0"}, "Invalid http_request.ip 'eth0': want 'ipv4 auto', 'ipv6 auto' or an IP address"),
    ],
)
async def test_http_request_names_an_invalid_argument(more: dict[str, str], message: str) -> None:
    ending = await probe("http_request", request("http://127.0.0.1/", **more))
    assert isinstance(ending, Failed)
    assert ending.reason is Reason.PROBE_ERROR
    assert ending.message.startswith(f"Other error: Invalid input: {message}")


async def test_http_request_names_a_header_that_cannot_be_sent() -> None:
    async with open_target(reply()) as target:
        ending = await probe("http_request", request(target.url(), headers={"x": "a\r\nb: c"}))
    assert isinstance(ending, Failed)
    assert ending.message.startswith("Other error: Other error: HTTP request failed: ")
    assert target.requests == []


async def test_a_target_that_sends_bytes_that_are_no_text_fails_in_words_that_can_be_sent() -> None:
    redirect = b"HTTP/1.1 302 Found\r\nLocation: http://a\xffb/\r\nContent-Length: 0\r\n\r\n"
    async with open_target(redirect) as target:
        ending = await probe("http_request", request(target.url()))
    assert isinstance(ending, Failed)
    assert ending.message.encode()
