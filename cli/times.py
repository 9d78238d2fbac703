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
    return int(moment(text, "--since").timestamp() * 1000)


def moment(text: str, flag: str) -> datetime:
    """
    An RFC 3339 time; one without an offset is UTC.

    Raises:
        ConfigError: it is none.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError as e:
        wanted = "15m, 2h, 7d or 2026-01-31T12:00:00Z" if flag == "--since" else "2026-01-31T12:00:00Z"
        raise ConfigError(f"{flag}: {text!r} is no time; want {wanted}") from e
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def show_ms(milliseconds: int | None, timespec: str = "milliseconds") -> str | None:
    """The time in UTC, or the number where no calendar has it."""
    if milliseconds is None:
        return None
    try:
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return str(milliseconds)
    return moment.replace(tzinfo=None).isoformat(" ", timespec)


def age_text(seconds: float) -> str:
    """How long ago, in the largest unit that fits: 0s, 59s, 2m, 3h, 4d."""
    whole = max(0, int(seconds))
    for unit, most in (("s", 60), ("m", 3_600), ("h", 86_400)):
        if whole < most:
            return f"{whole // _UNITS_S[unit]}{unit}"
    return f"{whole // _UNITS_S['d']}d"
