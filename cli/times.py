"""Times as people write and read them on the command line."""

import re
import time
from datetime import UTC, datetime

from protocol.errors import ConfigError

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def span_ms(text: str, flag: str) -> int:
    """
    A length of time such as ``15m``, in ms.

    Raises:
        ConfigError: it is none.
    """
    span = re.fullmatch(r"(\d+)([smhdw])", text)
    if span is None or not int(span[1]):
        raise ConfigError(f"{flag}: {text!r} is no length of time; want 30s, 15m, 2h, 7d or 1w")
    return int(span[1]) * _UNITS_S[span[2]] * 1000


def since_ms(text: str) -> int:
    """
    The moment that ``--since`` names, a length of time ago or an RFC 3339 time; ms since the epoch.

    Raises:
        ConfigError: it is neither.
    """
    if re.fullmatch(r"(\d+)([smhdw])", text):
        return time.time_ns() // 1_000_000 - span_ms(text, "--since")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as e:
        raise ConfigError(f"--since: {text!r} is no time; want 15m, 2h, 7d or 2026-01-31T12:00:00Z") from e
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def show_ms(milliseconds: int | None, timespec: str = "milliseconds") -> str | None:
    """The time in UTC, or the number where no calendar has it."""
    if milliseconds is None:
        return None
    try:
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return str(milliseconds)
    return moment.replace(tzinfo=None).isoformat(" ", timespec)
