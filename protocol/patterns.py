"""
Regular expressions that people write and strangers' texts are held against: those of RE2.

Their time grows with the length of the text and no faster, so no answer of a target can hold up the server. The price:
there are no backreferences and no looking around, https://github.com/google/re2/wiki/Syntax
"""

from functools import lru_cache

import re2
from msgspec import Struct

from protocol.errors import Unreadable

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


class Pattern(Struct, frozen=True):
    """A regular expression, and what finds it."""

    text: str
    _compiled: re2._Regexp

    def is_in(self, text: str) -> bool:
        """Whether it is found anywhere in ``text``."""
        return self._compiled.search(text) is not None


@lru_cache(maxsize=4_096)
def pattern(text: str) -> Pattern:
    """
    The regular expression that ``text`` is.

    Raises:
        Unreadable: it is none, or one that RE2 does not have.
    """
    try:
        return Pattern(text, re2.compile(text, _OPTIONS))
    except re2.error as e:
        why = e.args[0].decode(errors="replace") if e.args and isinstance(e.args[0], bytes) else str(e)
        raise Unreadable(f"no regular expression of RE2: {why}") from e
