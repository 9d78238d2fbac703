"""Mistakes in job files: where one is, what was found, what to do. They are collected and shown all at once."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from protocol.errors import ConfigError, Error
from protocol.secrets import cover

N = TypeVar("N")
T = TypeVar("T")


class Place(Struct, frozen=True, order=True):
    """A character of a file; lines and columns count from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Mistake(Struct, frozen=True, order=True):
    """
    One line for a person.

    ``path`` leads to it through the keys, or is ``file`` where the whole file is meant; ``text`` is what was found and
    what to do.
    """

    place: Place
    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.path}: {self.text}".replace("\n", "\\n")


class Mistaken(Error):
    """Reading stopped at this mistake; what stands beside it may still be read."""

    def __init__(self, mistake: Mistake) -> None:
        self.mistake = mistake
        super().__init__(str(mistake))


class JobFileError(ConfigError):
    """The job files have these mistakes, sorted by place; nothing was loaded."""

    has_places = True

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(mistakes))
        super().__init__("\n".join(map(str, self.mistakes)))


class Mistakes:
    """
    The mistakes found so far. One found twice, as in a default that many jobs take, is one.

    ``secrets`` are values by reference, those that are still to be found included: no text shows a value.
    """

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets = secrets
        self._found: set[Mistake] = set()

    def add(self, mistake: Mistake) -> None:
        """Note a mistake and go on."""
        self._found.add(mistake)

    def __iter__(self) -> Iterator[Mistake]:
        """Sorted by place."""
        return iter(sorted(self._found))

    @property
    def has_secrets(self) -> bool:
        """Whether the files hold any."""
        return bool(self._secrets)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._found)

    def attempt(self, read: Callable[[N], T], source: N) -> T | None:
        """What ``read`` makes of ``source``, or ``None`` when it noted a mistake."""
        try:
            return read(source)
        except Mistaken as e:
            self.add(e.mistake)
            return None

    def raise_any(self) -> None:
        """
        Do nothing when there are none.

        Raises:
            JobFileError: there are some.
        """
        if self._found:
            raise JobFileError({replace(found, text=cover(found.text, self._secrets)) for found in self._found})


def advice(word: str, known: Iterable[str]) -> str:
    """The nearest of ``known`` as a question, else what there is, as far as a person would read it."""
    names = list(known)
    near = get_close_matches(word, names, 1)
    if near:
        return f"did you mean {near[0]}?"
    if not names:
        return "none is declared"
    return "known are " + ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
