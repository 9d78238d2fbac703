"""A name server on loopback, of UDP and TCP, that answers what a test says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

ZONE = {
    "a": ("host.example.", ["192.0.2.1", "192.0.2.2"]),
    "aaaa": ("host.example.", ["2001:db8::1"]),
    "cname": ("host.example.", ["other.example."]),
    "mx": ("host.example.", ["10 mail.example."]),
    "txt": ("host.example.", ['"v=spf1 " "-all"']),
    "ns": ("host.example.", ["ns1.example."]),
    "srv": ("host.example.", ["1 2 443 srv.example."]),
    "soa": ("host.example.", ["ns1.example. admin.example. 7 3600 600 86400 60"]),
    "caa": ("host.example.", ['0 issue "ca.example"']),
    "ptr": ("1.2.0.192.in-addr.arpa.", ["host.example."]),
}
Answer = Callable[[dns.message.Message], dns.message.Message | bytes | None]


def from_zone(query: dns.message.Message) -> dns.message.Message:
    """The records of the zone, else NXDOMAIN."""
    answer = dns.message.make_response(query)
    [question] = query.question
    for type_name, (name, texts) in ZONE.items():
        if (str(question.name), question.rdtype.name.lower()) == (name, type_name):
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", type_name, *texts))
    if not answer.answer:
        answer.set_rcode(dns.rcode.NXDOMAIN)
    return answer


def truncated(query: dns.message.Message) -> dns.message.Message:
    """An answer that did not fit."""
    answer = dns.message.make_response(query)
    answer.flags |= dns.flags.TC
    return answer


class NameServer(asyncio.DatagramProtocol):
    """``asked`` are the types in their order, over UDP."""

    def __init__(self, over_udp: Answer, over_tcp: Answer) -> None:
        self.port = 0
        self.asked: list[str] = []
        self._over_udp = over_udp
        self._over_tcp = over_tcp

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        self.asked.append(query.question[0].rdtype.name.lower())
        answer = self._over_udp(query)
        if answer is not None:
            self._transport.sendto(answer if isinstance(answer, bytes) else answer.to_wire(), addr)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2), "big")
        answer = self._over_tcp(dns.message.from_wire(await reader.readexactly(length)))
        assert isinstance(answer, dns.message.Message)
        wire = answer.to_wire()
        writer.write(len(wire).to_bytes(2, "big") + wire)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def open_name_server(over_udp: Answer = from_zone, over_tcp: Answer = from_zone) -> AsyncIterator[NameServer]:
    server = NameServer(over_udp, over_tcp)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: server, local_addr=("127.0.0.1", server.port))
    try:
        async with listener:
            yield server
    finally:
        transport.close()
