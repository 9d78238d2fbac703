"""
ICMP echoes over one socket a family, shared by all pings.

The kernel stamps each reply on arrival, so that a busy event loop does not make a target look slow. Unprivileged
sockets first, raw ones when the system refuses those; raw ones see all the host's ICMP, our own requests included.
Layout: RFC 792 and RFC 4443.
"""

import asyncio
import itertools
import secrets
import socket
import struct
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from msgspec import Struct

from agent.probes.resolving import Address
from protocol.errors import Error
from protocol.tasks.ping import PingOptions

# asm-generic/socket.h; the socket module has no name for it.
_SO_TIMESTAMPNS = 35
# linux/in.h and linux/in6.h, for the same reason: never send a packet that would have to be taken apart.
_IP_MTU_DISCOVER = 10
_IPV6_MTU_DISCOVER = 23
_PMTUDISC_DO = 2
_SYSTEMS_TTL = -1
_TIMESPEC = struct.Struct("@ll")
_HEADER = struct.Struct("!BBHHH")
_PATTERN = bytes(range(256))
_LARGEST_REPLY = 2048
# linux/icmp.h and linux/icmpv6.h: a set bit of a raw socket's filter keeps that type of message out.
_SOL_RAW = 255
_FILTER = 1
# What the kernel drops for want of room would look like a silent target; the system's rmem_max bounds this.
_RECEIVE_BYTES = 4 * 1024 * 1024


class IcmpNotPermitted(Error):
    """Neither an unprivileged nor a raw ICMP socket may be opened here."""

    def __init__(self) -> None:
        super().__init__("ICMP socket not permitted: run as root, give CAP_NET_RAW, or widen net.ipv4.ping_group_range")


class _Family(Struct, frozen=True):
    """
    ``filter_level`` and ``filter_words`` say where a raw socket's filter is set, and how long it is.

    ``ttl_option`` and ``mtu_option`` are socket options of ``ip_level``.
    """

    protocol: int
    request_type: int
    reply_type: int
    filter_level: int
    filter_words: int
    ip_level: int
    ttl_option: int
    mtu_option: int


_FAMILIES = {
    socket.AF_INET: _Family(socket.IPPROTO_ICMP, 8, 0, _SOL_RAW, 1, socket.IPPROTO_IP, socket.IP_TTL, _IP_MTU_DISCOVER),
    socket.AF_INET6: _Family(
        socket.IPPROTO_ICMPV6,
        128,
        129,
        socket.IPPROTO_ICMPV6,
        8,
        socket.IPPROTO_IPV6,
        socket.IPV6_UNICAST_HOPS,
        _IPV6_MTU_DISCOVER,
    ),
}


class _Echo(Struct, frozen=True):
    """A request on its way: where to, when sent by both clocks, and who waits for its round trip."""

    ip: str
    sent_ns: int
    sent_wall_ns: int
    round_trip_ms: asyncio.Future[float]


class Icmp:
    """Sends echoes; a family's socket is opened by its first echo and closed on leaving."""

    def __init__(self) -> None:
        self._sockets: dict[socket.AddressFamily, _EchoSocket] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for echo_socket in self._sockets.values():
            echo_socket.close()
        self._sockets.clear()

    async def echo(self, address: Address, limit_s: float, options: PingOptions) -> float:
        """
        The round trip of one echo of this kind, in ms; the port of ``address`` must be 0.

        Raises:
            TimeoutError: no reply within ``limit_s``.
            IcmpNotPermitted: no ICMP socket can be had.
            OSError: the system could not send.
        """
        if address.family not in self._sockets:
            self._sockets[address.family] = _EchoSocket(address.family)
        return await self._sockets[address.family].echo(address, limit_s, options)


class _EchoSocket:
    def __init__(self, family: socket.AddressFamily) -> None:
        self._family = _FAMILIES[family]
        self._socket = _open(family, self._family)
        self._has_ip_header = family == socket.AF_INET and self._socket.type == socket.SOCK_RAW
        # The kernel puts its own identifier, the "port", into what an unprivileged socket sends.
        is_raw = self._socket.type == socket.SOCK_RAW
        self._identifier = secrets.randbelow(1 << 16) if is_raw else int(self._socket.getsockname()[1])
        self._sequences = itertools.count(secrets.randbelow(1 << 16))
        self._pending: dict[tuple[int, int], _Echo] = {}
        self._systems_mtu_discovery = self._socket.getsockopt(self._family.ip_level, self._family.mtu_option)
        self._applied = (_SYSTEMS_TTL, self._systems_mtu_discovery)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._on_readable)

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()

    async def echo(self, address: Address, limit_s: float, options: PingOptions) -> float:
        key = self._free_key()
        packet = _request(self._family.request_type, *key, options.size)
        self._prepare(options)
        round_trip_ms = self._loop.create_future()
        self._pending[key] = _Echo(address.ip, time.perf_counter_ns(), time.time_ns(), round_trip_ms)
        try:
            self._socket.sendto(packet, address.sockaddr)
            async with asyncio.timeout(limit_s):
                return float(await round_trip_ms)
        finally:
            del self._pending[key]

    def _prepare(self, options: PingOptions) -> None:
        """Set the socket up for what is sent next; the pings that share it come one after the other."""
        ttl = _SYSTEMS_TTL if options.ttl is None else options.ttl
        wanted = (ttl, _PMTUDISC_DO if options.dont_fragment else self._systems_mtu_discovery)
        if wanted != self._applied:
            for option, value in zip((self._family.ttl_option, self._family.mtu_option), wanted, strict=True):
                self._socket.setsockopt(self._family.ip_level, option, value)
            self._applied = wanted

    def _free_key(self) -> tuple[int, int]:
        keys = ((self._identifier, sequence & 0xFFFF) for sequence in self._sequences)
        return next(key for key in keys if key not in self._pending)

    def _on_readable(self) -> None:
        # Until nothing is left. Another error is consumed by being raised; the echo that it is about meets its limit.
        with suppress(OSError):
            while True:
                packet, ancillary, _, source = self._socket.recvmsg(_LARGEST_REPLY, socket.CMSG_SPACE(_TIMESPEC.size))
                self._take(packet, source[0], _stamp_ns(ancillary))

    def _take(self, packet: bytes, ip: str, received_wall_ns: int | None) -> None:
        if self._has_ip_header:
            packet = packet[(packet[0] & 0x0F) * 4 :]
        if len(packet) < _HEADER.size:
            return
        kind, _, _, identifier, sequence = _HEADER.unpack_from(packet)
        echo = self._pending.get((identifier, sequence))
        if kind != self._family.reply_type or echo is None or echo.ip != ip or echo.round_trip_ms.done():
            return
        # A stamp outside of what the loop itself saw means that the wall clock was set in between.
        seen_ns = time.perf_counter_ns() - echo.sent_ns
        stamped_ns = seen_ns if received_wall_ns is None else received_wall_ns - echo.sent_wall_ns
        echo.round_trip_ms.set_result((stamped_ns if 0 <= stamped_ns <= seen_ns else seen_ns) / 1e6)


def _open(address_family: socket.AddressFamily, family: _Family) -> socket.socket:
    """
    An ICMP socket with receive stamps, not blocking.

    Raises:
        IcmpNotPermitted: of neither kind.
    """
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            opened = socket.socket(address_family, kind | socket.SOCK_NONBLOCK, family.protocol)
        except PermissionError:
            continue
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        with suppress(OSError):
            opened.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        if kind == socket.SOCK_RAW:
            opened.setsockopt(family.filter_level, _FILTER, _all_but(family.reply_type, family.filter_words))
        else:
            opened.bind(("", 0))
        return opened
    raise IcmpNotPermitted


def _all_but(kind: int, words: int) -> bytes:
    """A filter that lets one type of message through."""
    masks = [0xFFFFFFFF] * words
    masks[kind // 32] &= ~(1 << kind % 32)
    return struct.pack(f"@{words}I", *masks)


def _request(kind: int, identifier: int, sequence: int, size: int) -> bytes:
    """An echo request; the kernel replaces the checksum of all but raw IPv4 sockets."""
    payload = (_PATTERN * (size // len(_PATTERN) + 1))[:size]
    unsummed = _HEADER.pack(kind, 0, 0, identifier, sequence) + payload
    return _HEADER.pack(kind, 0, _checksum(unsummed), identifier, sequence) + payload


def _checksum(packet: bytes) -> int:
    """RFC 1071; an odd last byte is the upper half of a word."""
    even = packet + bytes(len(packet) % 2)
    total: int = sum(struct.unpack(f"!{len(even) // 2}H", even))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def _stamp_ns(ancillary: list[tuple[int, int, bytes]]) -> int | None:
    for level, kind, value in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack_from(value)
            return int(seconds * 1_000_000_000 + nanoseconds)
    return None
