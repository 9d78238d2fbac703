"""
Who is logged in: a random id in a cookie stands for a credential that is kept here, in memory, until it expires.

Each look at a session verifies its credential again, so that it ends with its token.
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable

from msgspec import Struct

from protocol.errors import RpcError
from server.auth import Auth, Token

LIFETIME_S = 12 * 3600.0
_MOST_SESSIONS = 10_000


class _Login(Struct):
    credential: str
    ends_s: float


class Session(Struct, frozen=True):
    """A session that holds."""

    id: str
    credential: str
    token: Token


class Logins:
    """``now_s`` is a clock that only goes forward, in seconds."""

    def __init__(self, *, auth: Auth, now_s: Callable[[], float]) -> None:
        self._auth = auth
        self._now_s = now_s
        self._logins: OrderedDict[str, _Login] = OrderedDict()

    async def open(self, credential: str) -> Session:
        """
        A new session; the oldest one ends when there are too many.

        Raises:
            CredentialMalformed, PermissionDenied: the credential proves no token that is valid now.
        """
        token = await self._verified(credential)
        id_ = secrets.token_urlsafe(32)
        self._logins[id_] = _Login(credential, self._now_s() + LIFETIME_S)
        if len(self._logins) > _MOST_SESSIONS:
            self._logins.popitem(last=False)
        return Session(id_, credential, token)

    async def find(self, id_: str | None) -> Session | None:
        """The session, ``None`` when there is none such, or its token no longer holds."""
        login = self._logins.get(id_ or "")
        if id_ is None or login is None:
            return None
        try:
            token = None if login.ends_s < self._now_s() else await self._verified(login.credential)
        except RpcError:
            token = None
        if token is None:
            self.close(id_)
            return None
        return Session(id_, login.credential, token)

    def close(self, id_: str) -> None:
        """End the session."""
        self._logins.pop(id_, None)

    async def _verified(self, credential: str) -> Token:
        token = await self._auth.verify(credential)
        self._auth.need_window(token)
        return token
