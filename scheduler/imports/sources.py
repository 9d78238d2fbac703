"""
Other tools' YAML, read with places by the job file's own reader, and as leniently as those tools read it.

A ``Section`` knows what was asked of it: what is left over at the end is what nobody could translate.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from protocol.errors import ConfigError
from scheduler.imports.interface import Note
from scheduler.imports.periods import read_ms
from scheduler.jobfile import tree
from scheduler.jobfile.files import File, read_files
from scheduler.jobfile.mistakes import Mistakes
from scheduler.jobfile.tree import Mapping, Node, Scalar

_WHOLE = re.compile(r"[0-9]{1,9}")
_TRUE = ("true", "yes", "on")
_FALSE = ("false", "no", "off")
_NO_COUNTERPART = "has no counterpart here; left out"


def open_source(path: Path) -> File:
    """
    The text of a file.

    Raises:
        ConfigError: it cannot be read.
    """
    if path.is_dir():
        raise ConfigError(f"{path}: is a directory; give a file")
    mistakes = Mistakes({})
    [file] = read_files([path], mistakes)
    mistakes.raise_any()
    assert file is not None  # noqa: S101  # a file that was not read left a mistake
    return file


def read_source(file: File) -> Node | None:
    """
    What the file holds; ``None`` when it is empty.

    Raises:
        JobFileError: it is no YAML.
    """
    mistakes = Mistakes({})
    node = mistakes.attempt(lambda f: tree.read_node(f, None, mistakes), file)
    mistakes.raise_any()
    return node


def where(node: Node) -> str:
    """The place and the path of a node, as notes show it."""
    return f"{node.place}: {node.path}" if node.path else str(node.place)


def is_null(node: Node) -> bool:
    """Whether the key is there and nothing stands behind it."""
    return isinstance(node, Scalar) and node.kind == "null"


def text(node: Node) -> str:
    """A scalar as it is written: those tools take a number for a string where they want one."""
    if isinstance(node, Scalar) and not is_null(node):
        return node.text
    raise node.wrong("is no string; want one")


def whole(node: Node) -> int:
    """A whole number of at most nine digits."""
    if not _WHOLE.fullmatch(text(node)):
        raise node.wrong("is no whole number; want one")
    return int(text(node))


def elements(node: Node) -> Sequence[Node]:
    """The elements of a list; nothing is an empty one."""
    if is_null(node):
        return ()
    if not isinstance(node, tree.Sequence):
        raise node.wrong("is not a list; want one")
    return node.elements


class Section:
    """A mapping of a source; a key without a value counts as absent."""

    def __init__(self, node: Node) -> None:
        if not isinstance(node, Mapping) and not is_null(node):
            raise node.wrong("is not a mapping; want one")
        self.node = node
        entries = node.entries if isinstance(node, Mapping) else {}
        self._entries = {key: entry for key, entry in entries.items() if not is_null(entry)}
        self._asked: set[str] = set()

    def __iter__(self) -> Iterator[tuple[str, Node]]:
        self._asked.update(self._entries)
        return iter(self._entries.items())

    def take(self, key: str) -> Node | None:
        """The node under ``key``."""
        self._asked.add(key)
        return self._entries.get(key)

    def need(self, key: str) -> Node:
        """The node under ``key``, which must be there."""
        found = self.take(key)
        if found is None:
            raise self.node.wrong(f"'{key}' is missing; add it")
        return found

    def where(self, key: str) -> str:
        """Where ``key`` stands, or the section when it is absent."""
        return where(self._entries.get(key, self.node))

    def text(self, key: str) -> str | None:
        """A string."""
        found = self.take(key)
        return None if found is None else text(found)

    def flag(self, key: str, absent: bool = False) -> bool:
        """A boolean in any spelling of YAML 1.1."""
        found = self.take(key)
        if found is None:
            return absent
        word = text(found).lower()
        if word not in _TRUE + _FALSE:
            raise found.wrong(f"found '{word}'; want true or false")
        return word in _TRUE

    def whole(self, key: str) -> int | None:
        """A whole number."""
        found = self.take(key)
        return None if found is None else whole(found)

    def ms(self, key: str) -> int | None:
        """A duration in ms."""
        found = self.take(key)
        return None if found is None else read_ms(found)

    def listed(self, key: str) -> Sequence[Node]:
        """The elements of a list."""
        found = self.take(key)
        return () if found is None else elements(found)

    def section(self, key: str) -> "Section":
        """The mapping under ``key``; absent is an empty one."""
        found = self.take(key)
        return Section(Mapping(self.node.place, self.node.path, {}) if found is None else found)

    def strings(self, key: str) -> dict[str, str]:
        """A mapping from names to strings."""
        return {name: text(entry) for name, entry in self.section(key)}

    def leftovers(self) -> list[Note]:
        """A note for each key that nobody asked for."""
        return [Note(where(entry), _NO_COUNTERPART) for key, entry in self._entries.items() if key not in self._asked]
