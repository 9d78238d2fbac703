"""The options of the HTTP probes, each with its effect on a real target; both probes take the same ones."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.probes.certificate import expires_at_ms
from agent.probes.interface import Ending, Failed, Found
from protocol.outcomes import Reason
from protocol.tasks.http_ping import HttpPingOptions
from protocol.tasks.http_request import HttpRequest, HttpRequestOptions
from tests.agent.certificates import Certificate, make_certificate
from tests.agent.probing import probes_of, work
from tests.agent.targets import closed_port, open_target, open_tunnel, reply
from tests.agent.test_agent_probes import NO_SUCH_NAME

BOTH = pytest.mark.parametrize("name", ["http_ping", "http_request"])
REDIRECT = reply(b"", "Location: /next", status="302 Found")


async def probe(name: str, url: str, more: dict[str, Any] | None = None, **options: Any) -> Ending:
    is_ping = name == "http_ping"
    payload = url if is_ping else HttpRequest(url=url, method="GET", **(more or {}))
    form = HttpPingOptions if is_ping else HttpRequestOptions
    async with probes_of() as probes:
        return await probes[name].run(work(name, payload, options=form(**options)))


def detail_of(ending: Ending) -> dict[str, Any]:
    assert isinstance(ending, Found), ending
    assert ending.detail is not None
    return ending.detail


def failure(ending: Ending, reason: Reason) -> str:
    assert isinstance(ending, Failed)
    assert ending.reason is reason, ending
    return ending.message


@BOTH
@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", 4), ("::1", 6)])
async def test_family_is_that_of_the_connection(name: str, host: str, family: int) -> None:
    async with open_target(reply(), host=host) as target:
        assert detail_of(await probe(name, target.url(), family=family))["address"] == host
        failure(await probe(name, target.url(), family=10 - family), Reason.UNREACHABLE)
    assert len(target.requests) == 1


async def test_an_egress_of_the_other_family_is_an_invalid_argument() -> None:
    async with open_target(reply()) as target:
        detail_of(await probe("http_request", target.url(), {"ip": "127.0.0.9"}, family=4))
        for ip in ("127.0.0.9", "IPv4 auto"):
            ending = await probe("http_request", target.url(), {"ip": ip}, family=6)
            text = f"Other error: Invalid input: http_request.ip '{ip}' is not IPv6: see options.family"
            assert failure(ending, Reason.PROBE_ERROR) == text
    assert target.peers == ["127.0.0.9"]


@BOTH
@pytest.mark.parametrize(("follows", "status", "requests"), [(True, 200, 2), (False, 302, 1)])
async def test_redirects_are_followed_when_wanted(name: str, follows: bool, status: int, requests: int) -> None:
    async with open_target(REDIRECT, reply()) as target:
        assert detail_of(await probe(name, target.url(), follow_redirects=follows))["status"] == status
    assert len(target.requests) == requests


async def test_http_ping_follows_ten_redirects_at_most() -> None:
    async with open_target(*[REDIRECT] * 10, reply()) as target:
        detail_of(await probe("http_ping", target.url(), follow_redirects=True))
    async with open_target(REDIRECT) as target:
        failure(await probe("http_ping", target.url(), follow_redirects=True), Reason.HTTP_PROTOCOL)
    assert len(target.requests) == 11


@BOTH
async def test_any_certificate_is_taken_when_none_is_verified(name: str, named: Certificate) -> None:
    async with open_target(reply(), tls=named.context) as target:
        message = failure(await probe(name, target.url()), Reason.TLS)
        assert "certificate verify failed" in message
        detail = detail_of(await probe(name, target.url(), verify_tls=False))
    assert detail["cert_expires_at"] == named.expires_at


@BOTH
async def test_plain_http_has_no_certificate(name: str) -> None:
    async with open_target(reply()) as target:
        assert "cert_expires_at" not in detail_of(await probe(name, target.url(), verify_tls=False))


@pytest.mark.parametrize("days", ["1", "20000"])
def test_a_certificate_tells_its_end_in_both_forms_of_a_time(tmp_path: Path, days: str) -> None:
    made = make_certificate(tmp_path, "-days", days)
    der = subprocess.run(
        ["openssl", "x509", "-in", made.file, "-outform", "DER"], check=True, capture_output=True
    ).stdout
    assert expires_at_ms(der) == made.expires_at
    for length in range(len(der) // 2):
        assert expires_at_ms(der[:length]) in (None, made.expires_at)
    assert expires_at_ms(der[1:]) is None


@BOTH
async def test_server_name_is_what_tls_asks_for(name: str, named: Certificate) -> None:
    named.asked_for.clear()
    async with open_target(reply(), tls=named.context) as target:
        detail_of(await probe(name, target.url(), verify_tls=False, server_name="other.test"))
        detail_of(await probe(name, target.url().replace("127.0.0.1", "localhost"), verify_tls=False))
    assert named.asked_for == ["other.test", "localhost"]
    assert b"other.test" not in b"".join(target.requests)


async def test_a_redirect_to_another_host_asks_for_that_host(named: Certificate) -> None:
    named.asked_for.clear()
    async with open_target(reply(), tls=named.context) as there:
        there_url = there.url().replace("127.0.0.1", "localhost")
        elsewhere = reply(b"", f"Location: {there_url}", status="302 Found")
        async with open_target(REDIRECT, elsewhere, tls=named.context) as target:
            detail_of(await probe("http_request", target.url(), verify_tls=False, server_name="other.test"))
    assert named.asked_for == ["other.test", "other.test", "localhost"]


# aiohttp reads the system's authorities when it is imported, so that another one needs another process.
REQUEST_BY_NAME = """
import asyncio, sys
from tests.agent.test_http_options import probe

async def ask():
    for server_name in ("probe.test", "other.test"):
        for name in ("http_ping", "http_request"):
            ending = await probe(name, sys.argv[1], server_name=server_name)
            print(server_name, getattr(ending, "message", "ok"))

asyncio.run(ask())
"""


@pytest.mark.asyncio(loop_factories=["uvloop"])
async def test_server_name_is_what_the_certificate_must_be_for(named: Certificate) -> None:
    async with open_target(reply(), tls=named.context) as target:
        url = target.url().replace("127.0.0.1", "localhost")
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", REQUEST_BY_NAME, url),
            env={**os.environ, "SSL_CERT_FILE": str(named.file)},
            stdout=subprocess.PIPE,
        )
        said, _ = await child.communicate()
    lines = said.decode().splitlines()
    assert lines[:2] == ["probe.test ok"] * 2
    assert len(lines) == 4
    assert all("Hostname mismatch, certificate is not valid for 'other.test'" in line for line in lines[2:])


@BOTH
async def test_a_proxy_is_asked_for_the_whole_url(name: str) -> None:
    async with open_target(reply()) as proxy:
        detail = detail_of(await probe(name, "http://nowhere.invalid/x", proxy=proxy.url()))
    assert proxy.requests[0].startswith(b"GET http://nowhere.invalid/x HTTP/1.1\r\n")
    assert detail["proxy_address"] == "127.0.0.1"
    assert "address" not in detail


@BOTH
async def test_a_proxy_is_told_who_asks(name: str) -> None:
    async with open_target(reply()) as proxy:
        detail_of(await probe(name, "http://nowhere.invalid/", proxy=f"http://me:secret@127.0.0.1:{proxy.port}"))
    assert b"\r\nProxy-Authorization: Basic bWU6c2VjcmV0\r\n" in proxy.requests[0]


@BOTH
async def test_tls_goes_through_the_tunnel_of_a_proxy(name: str, named: Certificate) -> None:
    named.asked_for.clear()
    async with open_target(reply(), tls=named.context) as target, open_tunnel(target.port) as proxy:
        options = {"verify_tls": False, "server_name": "other.test", "proxy": proxy.url()}
        detail = detail_of(await probe(name, "https://nowhere.invalid/", **options))
    assert proxy.requests[0].startswith(b"CONNECT nowhere.invalid:443 HTTP/1.1\r\n")
    assert named.asked_for == ["other.test"]
    assert detail["cert_expires_at"] == named.expires_at


@BOTH
async def test_a_proxy_that_is_not_there_says_nothing_about_the_target(name: str) -> None:
    with closed_port() as port:
        failure(await probe(name, "http://127.0.0.1/", proxy=f"http://127.0.0.1:{port}"), Reason.INTERNAL)
        failure(await probe(name, "https://127.0.0.1/", proxy=f"http://127.0.0.1:{port}"), Reason.INTERNAL)
    failure(await probe(name, "http://127.0.0.1/", proxy=f"http://{NO_SUCH_NAME}"), Reason.INTERNAL)
    async with open_target(reply(status="407 Proxy Authentication Required")) as proxy:
        failure(await probe(name, "https://127.0.0.1/", proxy=proxy.url()), Reason.INTERNAL)


@BOTH
async def test_a_tunnel_that_a_proxy_cannot_dig_is_a_failure(name: str) -> None:
    async with open_target(reply(status="502 Bad Gateway")) as proxy:
        failure(await probe(name, "https://127.0.0.1/", proxy=proxy.url()), Reason.HTTP_PROTOCOL)


@BOTH
@pytest.mark.parametrize(("version", "said"), [(None, b"1.1"), ("1.0", b"1.0"), ("1.1", b"1.1")])
async def test_http_version_is_that_of_the_request(name: str, version: str | None, said: bytes) -> None:
    async with open_target(reply()) as target:
        detail_of(await probe(name, target.url(), http_version=version))
    assert re.fullmatch(rb"GET / HTTP/(.*)", target.requests[0].split(b"\r\n")[0])[1] == said


async def test_max_body_is_the_most_that_is_read() -> None:
    async with open_target(reply(b"x" * 100)) as target:
        ending = await probe("http_request", target.url(), max_body=100)
        assert isinstance(ending, Found)
        assert ending.payload.body == "x" * 100
        message = failure(await probe("http_request", target.url(), max_body=99), Reason.BODY)
        assert message == "Other error: Other error: HTTP response body too large: exceeds 99 bytes"
        assert detail_of(await probe("http_ping", target.url(), max_body=1))["status"] == 200
