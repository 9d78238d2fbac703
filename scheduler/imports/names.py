"""Names of jobs, made from whatever the source calls them: usable, unique, and the same at every import."""

import re

_REFUSED = re.compile(r"[^A-Za-z0-9_.:-]+")
_LONGEST = 128


class Names:
    """The names given so far."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def give(self, text: str, otherwise: str) -> str:
        """
        A name like ``text``, or like ``otherwise`` when nothing of it is left.

        One that is taken gets a number: the order of the source decides, so it is stable as long as that is.
        """
        wanted = _REFUSED.sub("-", text).strip("-.:")[:_LONGEST] or otherwise
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            suffix = f"-{number}"
            name = wanted[: _LONGEST - len(suffix)] + suffix
        self._taken.add(name)
        return name
