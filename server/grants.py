"""
What open connections were granted: looked at again whenever a token changes, and when its time window ends.

Whoever keeps something open on the strength of a credential holds a ``Grant`` meanwhile: an agent's registration, a
feed of results, a terminal. One that no longer holds is revoked at once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Never

import structlog
from msgspec import Struct

from protocol.errors import RpcError
from server.auth import Auth, Token

log = structlog.get_logger()

_LOOK_EVERY_S = 1.0


class Grant(Struct, frozen=True, eq=False, kw_only=True):
    """
    ``holds`` says whether the token may still do it, ``revoke`` ends it within a moment.

    ``valid_to_ms`` is the end of the token's time window, ms since the epoch; ``None`` for never.
    """

    what: str
    credential: str
    holds: Callable[[Token], bool]
    valid_to_ms: int | None
    revoke: Callable[[], Awaitable[None]]


class Grants:
    """The grants that are held now."""

    def __init__(self, *, auth: Auth, now_ms: Callable[[], int]) -> None:
        self._auth = auth
        self._now_ms = now_ms
        self._held: set[Grant] = set()
        self._changed = asyncio.Event()
        auth.on_change(self._changed.set)

    def add(self, grant: Grant) -> None:
        """Look after the grant until it is discarded."""
        self._held.add(grant)

    def discard(self, grant: Grant) -> None:
        """What was granted has ended."""
        self._held.discard(grant)

    async def run(self) -> Never:
        """Revoke what no longer holds, until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._changed.wait()
            if self._changed.is_set():
                self._changed.clear()
                await self._revoke([grant for grant in list(self._held) if not await self._holds(grant)])
            else:
                now = self._now_ms()
                await self._revoke(
                    [grant for grant in self._held if grant.valid_to_ms is not None and grant.valid_to_ms < now]
                )

    async def _holds(self, grant: Grant) -> bool:
        try:
            return grant.holds(await self._auth.verify(grant.credential))
        except RpcError:
            return False

    async def _revoke(self, grants: list[Grant]) -> None:
        for grant in grants:
            self._held.discard(grant)
            log.warning("no longer permitted", what=grant.what)
        for failure in await asyncio.gather(*(grant.revoke() for grant in grants), return_exceptions=True):
            if failure is not None:  # a connection that breaks while it is closed does not end the watch over others
                log.warning("could not be closed in good order", why=repr(failure))
