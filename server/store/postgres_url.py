"""
Where a PostgreSQL is, and what is said when it cannot be opened. Passwords are in no message.

Asks for nothing but the URL; ``sslmode`` is as PostgreSQL's own clients have it.
"""

import os
import socket

import asyncpg
from sqlalchemy import URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from protocol.errors import ConfigError, StartError
from server.store.urls import shown

_WANT = "want postgresql://USER:PASSWORD@HOST:PORT/DB"
_OPTIONS = {"host", "port", "ssl", "sslmode"}


def read_url(text: str) -> URL:
    """
    The URL for the driver.

    Raises:
        ConfigError: it is malformed, names no database, or has an option that is not known.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ConfigError(f"--store: the URL cannot be read; {_WANT}, other signs of a password as %XX") from None
    if not url.database:
        raise ConfigError(f"--store: {shown(url)} names no database; {_WANT}")
    unknown = url.query.keys() - _OPTIONS
    if unknown:
        raise ConfigError(
            f"--store: {shown(url)}: unknown option {min(unknown)!r}; known: {', '.join(sorted(_OPTIONS))}"
        )
    options = {"ssl" if name == "sslmode" else name: value for name, value in url.query.items()}
    return url.set(drivername="postgresql+asyncpg", query=options)


def start_error(url: URL, failure: BaseException) -> StartError:
    """Why the store cannot be opened, with the remedy."""
    return StartError(f"{shown(url)}: {_diagnosis(url, _driver_error(failure))}")


def reason(failure: BaseException) -> str:
    """What the driver said, in one line: what follows may quote rows."""
    return str(_driver_error(failure)).partition("\n")[0]


def _driver_error(failure: BaseException) -> BaseException:
    inner: BaseException | None = failure
    while inner is not None and not isinstance(inner, asyncpg.PostgresError | asyncpg.InterfaceError):
        inner = getattr(inner, "orig", None) or inner.__cause__
    return inner or failure


def _diagnosis(url: URL, failure: BaseException) -> str:
    match failure:
        case asyncpg.InvalidPasswordError():
            return f"the password of {url.username} is refused; correct it in CRONPROBE_STORE or --store"
        case asyncpg.InvalidAuthorizationSpecificationError():
            return f"{failure.args[0]}; create the user, or allow it in pg_hba.conf"
        case asyncpg.InvalidCatalogNameError():
            return f"there is no such database; create it: createdb -O {url.username or 'USER'} {url.database}"
        case asyncpg.InsufficientPrivilegeError():
            return f"{failure.args[0]}; make {url.username} the owner of the database"
        case asyncpg.CannotConnectNowError() | asyncpg.TooManyConnectionsError():
            return f"{failure.args[0]}; try again"
        case TimeoutError():
            return "no answer in time; look at the address, the network, and the load of PostgreSQL"
        case OSError():
            return f"cannot be reached: {_system_reason(failure)}; start PostgreSQL, or correct the address"
        case _:
            return f"cannot be opened as a store: {reason(failure)}; choose another --store"


def _system_reason(failure: OSError) -> str:
    if isinstance(failure, socket.gaierror) or not failure.errno:
        return failure.strerror or str(failure)
    return os.strerror(failure.errno)
