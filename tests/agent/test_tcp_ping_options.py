"""The options of a TCP ping: another family, and a TLS handshake after the connect."""

from typing import Any

import pytest

from agent.probes.interface import Ending, Failed, Found
from protocol.outcomes import Reason
from protocol.tasks.tcp_ping import TcpPingOptions
from tests.agent.certificates import Certificate
from tests.agent.probing import probes_of, work
from tests.agent.scripted_server import ScriptedServer, task
from tests.agent.targets import ip_of, open_target, reply
from tests.agent.test_agent_probes import THRICE
from tests.agent.test_agent_sessions import agent_of


async def probe(target: str, **options: Any) -> Ending:
    async with probes_of() as probes:
        return await probes["tcp_ping"].run(work("tcp_ping", target, options=TcpPingOptions(**options)))


async def test_options_give_the_result_a_detail_and_change_nothing_else() -> None:
    async with open_target() as target:
        ending = await probe(f"127.0.0.1:{target.port}")
    assert isinstance(ending, Found)
    assert ending.detail == {"address": "127.0.0.1"}


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", 4), ("::1", 6)])
async def test_family_chooses_among_the_addresses_of_a_name(host: str, family: int) -> None:
    async with open_target(host=host) as target:
        ending = await probe(f"localhost:{target.port}", family=family)
    if ip_of("localhost", family) is None:
        assert isinstance(ending, Failed)
        assert ending.reason is Reason.DNS
    else:
        assert isinstance(ending, Found)
        assert ending.detail is not None
        assert ending.detail.pop("resolve_ms") > 0
        assert ending.detail == {"address": host}


async def test_an_address_of_the_other_family_does_not_resolve() -> None:
    text = f"{THRICE}Resolving host error: [Errno -9] 127.0.0.1 is no IPv6 address"
    assert await probe("127.0.0.1:80", family=6) == Failed(Reason.DNS, text)


async def test_tls_measures_connect_and_handshake(named: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(named.file))
    async with open_target(tls=named.context) as target:
        ending = await probe(f"127.0.0.1:{target.port}", tls=True)
    assert isinstance(ending, Found), ending
    detail = ending.detail
    assert detail is not None
    assert ending.payload == detail.pop("connect_ms") + detail.pop("tls_ms")
    assert detail == {"address": "127.0.0.1", "cert_expires_at": named.expires_at}


async def test_tls_refuses_a_certificate_of_an_unknown_authority(named: Certificate) -> None:
    async with open_target(tls=named.context) as target:
        ending = await probe(f"127.0.0.1:{target.port}", tls=True)
    assert isinstance(ending, Failed)
    assert ending.reason is Reason.TLS
    assert ending.message.startswith(f"{THRICE}Tcp Ping Error: TLS handshake failed: ")
    assert "certificate verify failed" in ending.message


async def test_tls_refuses_a_certificate_for_another_host(named: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(named.file))
    async with open_target(tls=named.context) as target:
        ending = await probe(f"localhost:{target.port}", tls=True)
    assert isinstance(ending, Failed)
    assert ending.reason is Reason.TLS
    assert "Hostname mismatch" in ending.message


async def test_a_peer_that_speaks_no_tls_or_leaves_fails_the_handshake() -> None:
    for habit in ({"greeting": reply()}, {"greeting": b"220 mail\r\n\r\n", "keeps_open": True}):
        async with open_target(**habit) as target:
            ending = await probe(f"127.0.0.1:{target.port}", tls=True)
        assert isinstance(ending, Failed)
        assert ending.reason is Reason.TLS
        assert ending.detail is not None
        assert ending.detail["connect_ms"] > 0


async def test_a_peer_that_says_nothing_is_given_up_with_the_task(server: ScriptedServer) -> None:
    async with open_target(keeps_open=True) as target, agent_of(server) as session:
        silent = task(1, {"tcp_ping": f"127.0.0.1:{target.port}"}, timeout_ms=300, options={"tls": True})
        (upload,) = await session.run(silent)
    assert upload["reason"] == "timeout"
