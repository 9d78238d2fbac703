"""The stores by the scheme of their URL."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module

from protocol.errors import ConfigError, StartError
from server.store.interface import Store
from server.store.sqlite import open_sqlite
from server.store.urls import public_url

__all__ = ["STORES", "open_store", "public_url"]

Open = Callable[[str], AbstractAsyncContextManager[Store]]


def _postgres(url: str) -> AbstractAsyncContextManager[Store]:
    """Only who asks for PostgreSQL needs its driver."""
    try:
        module = import_module("server.store.postgres")
    except ModuleNotFoundError as e:
        raise StartError(f"--store: {e.name} is not installed; run: pip install 'cronprobe[postgres]'") from e
    opened: AbstractAsyncContextManager[Store] = module.open_postgres(url)
    return opened


STORES: dict[str, Open] = {"sqlite": open_sqlite, "postgresql": _postgres, "postgresql+asyncpg": _postgres}


@asynccontextmanager
async def open_store(url: str) -> AsyncIterator[Store]:
    """
    The store at ``url``, migrated to the present form.

    Raises:
        ConfigError: no store has this scheme, or the URL is malformed.
        StartError: it cannot be opened, or its driver is not installed.
    """
    scheme = url.partition(":")[0]
    if scheme not in STORES:
        known = "sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/DB"
        raise ConfigError(f"--store: no store has the scheme {scheme!r}; want {known}")
    async with STORES[scheme](url) as store:
        yield store
