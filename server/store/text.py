"""
Text as PostgreSQL can hold it: a NUL, which its text cannot, is written as an escape and read back as it was.

What a target says may hold anything. Only text with a NUL or an escape in it looks different in the database.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Dialect, Text, TypeDecorator

_ESCAPE = "\x10"
_IN_PLACE_OF_ESCAPE, _IN_PLACE_OF_NUL = _ESCAPE + _ESCAPE, _ESCAPE + "0"


def to_stored(text: str | None) -> str | None:
    """The text as it is stored."""
    if text is None or not ("\0" in text or _ESCAPE in text):
        return text
    return text.replace(_ESCAPE, _IN_PLACE_OF_ESCAPE).replace("\0", _IN_PLACE_OF_NUL)


def from_stored(text: str | None) -> str | None:
    """The text as it was."""
    if text is None or _ESCAPE not in text:
        return text
    parts = text.split(_IN_PLACE_OF_ESCAPE)
    return _ESCAPE.join(part.replace(_IN_PLACE_OF_NUL, "\0") for part in parts)


class EscapedText(TypeDecorator[str]):
    """A text column of PostgreSQL, towards SQLAlchemy: in values, conditions and what is read."""

    impl = Text
    cache_ok = True

    def bind_processor(self, _dialect: Dialect) -> Callable[[Any], Any]:
        """What is done with a value on its way in."""
        return to_stored

    def result_processor(self, _dialect: Dialect, _coltype: object) -> Callable[[Any], Any]:
        """What is done with a value on its way out."""
        return from_stored
