"""
Regular expressions that people write and strangers' texts are held against: those of RE2.

Their time grows with the length of the text and no faster, so no answer of a target can hold up the server. The price:
there are no backreferences and no looking around, https://github.com/google/re2/wiki/Syntax
"""

from collections.abc import Callable
from functools import lru_cache

import re2
from msgspec import Struct

from protocol.errors import Unreadable

PROGRAM_BYTES = 2 * 1024 * 1024
"""What one may take, compiled and at work; more is too large."""


class Pattern(Struct, frozen=True):
    """A regular expression, and what finds it."""

    text: str
    _compiled: re2._Regexp

    def is_in(self, text: str) -> bool:
        """Whether it is found anywhere in ``text``."""
        return self._compiled.search(text) is not None

    def replaced(self, text: str, replacement_of_group: Callable[[int], str]) -> str:
        """The text with replacements wherever it is found, told by the number of the group that matched, from 1."""
        if not self.is_in(text):
            return text
        found: str = self._compiled.sub(lambda match: replacement_of_group(match.lastindex), text)
        return found


@lru_cache(maxsize=4_096)
def pattern(text: str, program_bytes: int = PROGRAM_BYTES) -> Pattern:
    """
    The regular expression that ``text`` is.

    Raises:
        Unreadable: it is none, one that RE2 does not have, or too large.
    """
    options = re2.Options()
    options.log_errors = False
    options.max_mem = program_bytes
    try:
        return Pattern(text, re2.compile(text, options))
    except re2.error as e:
        why = e.args[0].decode(errors="replace") if e.args and isinstance(e.args[0], bytes) else str(e)
        what, _, where = why.partition(": ")
        raise Unreadable(f"no regular expression of RE2: {what} in '{where}'") from e
