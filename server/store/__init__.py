"""The stores by the scheme of their URL."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from protocol.errors import ConfigError
from server.store.interface import Store
from server.store.sqlite import open_sqlite

STORES: dict[str, Callable[[str], AbstractAsyncContextManager[Store]]] = {"sqlite": open_sqlite}


@asynccontextmanager
async def open_store(url: str) -> AsyncIterator[Store]:
    """
    The store at ``url``, migrated to the present form.

    Raises:
        ConfigError: no store has this scheme.
        StartError: it cannot be opened.
    """
    scheme = url.partition(":")[0]
    if scheme not in STORES:
        known = ", ".join(f"{name}:///PATH" for name in STORES)
        raise ConfigError(f"--store: {url!r} has no known scheme; want {known}")
    async with STORES[scheme](url) as store:
        yield store
