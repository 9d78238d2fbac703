"""A caller of the server's methods, over HTTP."""

import asyncio
import os
import socket
import ssl
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct

from protocol.errors import ConfigError, Error
from protocol.jsonrpc import call

_CONNECT_S = 5
_TOO_MANY = 429


class ServerUnreachable(Error):
    """Nothing answers at the server's URL, or not in our language."""


class CallRefused(Error):
    """The server answered with an error object; ``code`` is its code."""

    def __init__(self, method: str, code: int, message: str) -> None:
        self.code = code
        super().__init__(f"{method}: {message} (code {code})")


class _Failure(Struct):
    code: int
    message: str
    data: Any = None


class _Reply(Struct):
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: _Failure | None = None


class Client(Struct, frozen=True):
    """``url`` is the server's, ``token`` the caller's credential."""

    url: str
    token: str

    def call(self, method: str, params: dict[str, object], *, timeout_s: float = 30) -> bytes:
        """``ask``, for who has no event loop."""
        return asyncio.run(self.ask(method, params, timeout_s=timeout_s))

    async def ask(self, method: str, params: dict[str, object], *, timeout_s: float = 30) -> bytes:
        """
        The result's JSON text; the token goes along as the parameter ``token``.

        Raises:
            ConfigError: the URL is none.
            ServerUnreachable: no answer.
            CallRefused: an error for an answer.
        """
        self.need_url()
        timeout = aiohttp.ClientTimeout(total=timeout_s, connect=_CONNECT_S)
        headers = {"content-type": "application/json"}
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(self.url, data=self.frame(method, params), headers=headers) as response,
            ):
                if response.status == _TOO_MANY:
                    raise ServerUnreachable(
                        f"{self.url}: has too many connections (HTTP 429); try again, or raise its --max-connections"
                    )
                return result_of(method, await response.read())
        except TimeoutError as e:
            raise ServerUnreachable(f"{self.url}: no answer within {timeout_s:g} s; is the server busy?") from e
        except (aiohttp.ClientError, ValueError) as e:
            raise unreachable(self.url, e) from e

    def frame(self, method: str, params: dict[str, object]) -> bytes:
        """The call as a frame, with the token."""
        return call(1, method, msgspec.json.encode({"token": self.token, **params}))

    def need_url(self) -> None:
        """
        Refuse what is no address of a server.

        Raises:
            ConfigError: it is none.
        """
        if not self.url.startswith(("http://", "https://")):
            raise ConfigError(f"--server: {self.url!r} is no address; want http://host:port or https://host:port")


def result_of(method: str, reply: bytes) -> bytes:
    """
    The result's JSON text of a reply to ``method``.

    Raises:
        CallRefused: it is an error.
        ValueError: it is no reply.
    """
    read = msgspec.json.decode(reply, type=_Reply)
    if read.error is not None:
        reason = read.error.data if read.error.code == -32602 else None
        raise CallRefused(method, read.error.code, str(reason or read.error.message))
    return bytes(read.result)


def unreachable(url: str, e: Exception) -> ServerUnreachable:
    """What went wrong on the way to the server, in words."""
    why = str(e)
    if isinstance(e, aiohttp.ClientConnectorError):
        number = e.os_error.errno or 0
        is_plain = number > 0 and not isinstance(e.os_error, socket.gaierror | ssl.SSLError)
        why = os.strerror(number) if is_plain else e.os_error.strerror or str(e.os_error)
    return ServerUnreachable(f"{url}: {why}; is a cronprobe server running there? See --server")
