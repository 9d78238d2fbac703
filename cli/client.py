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
        """
        The result's JSON text; the token goes along as the parameter ``token``.

        Raises:
            ServerUnreachable: no answer.
            CallRefused: an error for an answer.
        """
        if not self.url.startswith(("http://", "https://")):
            raise ConfigError(f"--server: {self.url!r} is no address; want http://host:port or https://host:port")
        body = call(1, method, msgspec.json.encode({"token": self.token, **params}))
        return asyncio.run(self._post(method, body, timeout_s))

    async def _post(self, method: str, body: bytes, timeout_s: float) -> bytes:
        timeout = aiohttp.ClientTimeout(total=timeout_s, connect=_CONNECT_S)
        headers = {"content-type": "application/json"}
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(self.url, data=body, headers=headers) as response,
            ):
                reply = msgspec.json.decode(await response.read(), type=_Reply)
        except TimeoutError as e:
            raise ServerUnreachable(f"{self.url}: no answer within {timeout_s:g} s; is the server busy?") from e
        except aiohttp.ClientConnectorError as e:
            number = e.os_error.errno or 0
            is_plain = number > 0 and not isinstance(e.os_error, socket.gaierror | ssl.SSLError)
            why = os.strerror(number) if is_plain else e.os_error.strerror or str(e.os_error)
            raise ServerUnreachable(f"{self.url}: {why}; is a cronprobe server running there? See --server") from e
        except (aiohttp.ClientError, ValueError) as e:
            raise ServerUnreachable(f"{self.url}: {e}; is a cronprobe server running there? See --server") from e
        if reply.error is not None:
            reason = reply.error.data if reply.error.code == -32602 else None
            raise CallRefused(method, reply.error.code, str(reason or reply.error.message))
        return bytes(reply.result)
