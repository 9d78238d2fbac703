"""Each probe against real targets on loopback: what it finds, and with which reason it fails."""

import base64
import socket
import subprocess
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.probes import open_probes
from agent.probes.interface import Ending, Failed, Found
from protocol.outcomes import Reason
from protocol.tasks import TASK_TYPES
from protocol.tasks.http_request import HttpRequest
from tests.agent.targets import closed_port, full_backlog, open_target, reply

THRICE = "Other error: Other error: Other error: "
# RFC 6761: never resolves. The system's resolver answers for it without asking anyone.
NO_SUCH_NAME = "no.such.name.invalid"


async def probe(name: str, payload: Any) -> Ending:
    with open_probes() as probes:
        return await probes[name](payload)


def request(url: str, **more: Any) -> HttpRequest:
    return HttpRequest(url=url, **({"method": "GET"} | more))


def test_every_probe_is_of_a_task_type() -> None:
    with open_probes() as probes:
        assert set(probes) <= set(TASK_TYPES)


@pytest.mark.parametrize("target", ["127.0.0.1", "::1", "0:0:0:0:0:0:0:1", "localhost"])
async def test_ping_finds_loopback(target: str) -> None:
    ending = await probe("ping", target)
    assert isinstance(ending, Found)
    assert 0 < ending.payload < 1000
    assert ending.detail is not None
    assert ending.detail["address"] in ("127.0.0.1", "::1")


async def test_pings_at_once_each_get_their_own_reply() -> None:
    import asyncio

    with open_probes() as probes:
        targets = [f"127.0.0.{n}" for n in range(1, 101)]
        endings = await asyncio.gather(*(probes["ping"](target) for target in targets))
    assert [e.detail for e in endings if isinstance(e, Found)] == [{"address": target} for target in targets]


async def test_ping_of_a_name_that_does_not_resolve_is_an_invalid_target() -> None:
    for target in (NO_SUCH_NAME, "", "a" * 70):
        assert await probe("ping", target) == Failed(Reason.DNS, THRICE + "Invalid target")


async def test_ping_without_a_reply_times_out() -> None:
    # Loopback drops what is sent to its broadcast address from elsewhere, but 127.255.255.255 answers nobody.
    ending = await probe("ping", "224.0.0.254")
    print(ending)


async def test_tcp_ping_times_the_connect() -> None:
    async with open_target() as target:
        ending = await probe("tcp_ping", f"localhost:{target.port}")
    assert isinstance(ending, Found)
    assert 0 < ending.payload < 1000
    assert ending.detail == {"address": "127.0.0.1"}


async def test_tcp_ping_reads_brackets() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        ending = await probe("tcp_ping", f"[::1]:{listener.getsockname()[1]}")
    assert isinstance(ending, Found)
    assert ending.detail == {"address": "::1"}


async def test_tcp_ping_of_a_closed_port_is_refused() -> None:
    with closed_port() as port:
        ending = await probe("tcp_ping", f"127.0.0.1:{port}")
    text = THRICE + "Tcp Ping Error: Connection refused (os error 111)"
    assert ending == Failed(Reason.CONNECT_REFUSED, text, {"address": "127.0.0.1"})


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
    detail = {"duration_ms": ending.payload, "status": int(status[:3]), "address": "127.0.0.1"}
    assert ending.detail == detail


async def test_http_ping_does_not_follow_redirects() -> None:
    async with open_target(reply(b"", "Location: /elsewhere", status="302 Found")) as target:
        ending = await probe("http_ping", target.url())
    assert isinstance(ending, Found)
    assert ending.detail is not None
    assert ending.detail["status"] == 302
    assert len(target.requests) == 1


async def test_http_ping_sends_no_headers_of_its_own() -> None:
    async with open_target(reply()) as target:
        await probe("http_ping", target.url("/x?y=%20z"))
    host = f"127.0.0.1:{target.port}"
    assert target.requests == [f"GET /x?y=%20z HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n\r\n".encode()]


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
        async with open_target(reply()) as target:
            url = target.url().replace("http:", "https:")
            await self.fails(name, payload(url), prefix, Reason.TLS)
