"""Durations as people write them, in job files and in ``@every``: a whole number and one unit, such as ``10s``."""

import re
from functools import lru_cache

from protocol.errors import Error

_FORM = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)")
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class NotADuration(Error):
    """The text has not the form of a duration, or is out of its bounds."""


@lru_cache(maxsize=4_096)
def duration_ms(text: str, least: str, most: str) -> int:
    """
    The milliseconds of ``text``, between the durations ``least`` and ``most``, both inclusive.

    Raises:
        NotADuration: it is none, or out of bounds.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise NotADuration(f"'{text}' is not a duration; want {least} to {most}, such as 100ms, 10s, 5m, 1h or 7d")
    if not _ms(least) <= _ms(text) <= _ms(most):
        raise NotADuration(f"'{text}' is out of bounds; want {least} to {most}")
    return _ms(text)


def _ms(text: str) -> int:
    number, unit = _FORM.fullmatch(text).groups()  # type: ignore[union-attr]
    return int(number) * _UNIT_MS[unit]


def duration_text(ms: int) -> str:
    """The shortest form of a duration."""
    unit, size = max(((unit, size) for unit, size in _UNIT_MS.items() if ms % size == 0), key=lambda pair: pair[1])
    return f"{ms // size}{unit}"
