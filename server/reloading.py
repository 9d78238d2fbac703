"""
``POST /-/reload``: whoever may write schedules has the scheduler of this process read its job files again.

A scheduler in another process watches its files itself, and takes SIGHUP.
"""

from collections.abc import Awaitable, Callable, Sequence

from protocol.errors import CredentialMalformed, PermissionDenied, RpcError
from protocol.permissions import GLOBAL, Permission
from server.auth import Auth

Reload = Callable[[], Awaitable[Sequence[str]]]
"""Loads the files again and gives the mistakes that kept it from it."""

_SCHEME = "bearer "
_WRITE = Permission("crontab", "write")


class Reloading:
    """The way to the scheduler, as soon as one was offered."""

    def __init__(self, *, auth: Auth) -> None:
        self._auth = auth
        self._reload: Reload | None = None

    def offer(self, reload: Reload) -> None:
        """Call ``reload`` from now on."""
        self._reload = reload

    async def answer(self, authorization: str) -> tuple[int, dict[str, object]]:
        """The HTTP status and the JSON for a request with this ``Authorization``."""
        if authorization[: len(_SCHEME)].lower() != _SCHEME:
            return 401, {"error": "want 'Authorization: Bearer key:secret'"}
        try:
            token = await self._auth.verify(authorization[len(_SCHEME) :].strip())
        except (CredentialMalformed, PermissionDenied, RpcError) as e:
            return 401, {"error": str(e)}
        if not self._auth.allows(token, [GLOBAL], [_WRITE]):
            return 403, {"error": "the token lacks the permission crontab:write in the scope global"}
        if self._reload is None:
            return 503, {"error": "no scheduler runs in this process; send it SIGHUP where it runs"}
        mistakes = await self._reload()
        return (400, {"mistakes": list(mistakes)}) if mistakes else (200, {"reloaded": True})
