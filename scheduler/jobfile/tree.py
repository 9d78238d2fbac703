"""
YAML text as a tree of nodes, each of which knows its place and its path. Merge keys and aliases are resolved here.

The tree is built from PyYAML's events in one pass: nothing is constructed, and depth and aliases are bounded before
they cost anything. The place of a node is that of its key, where it has one; what an alias brings keeps its own.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache

import yaml
from msgspec import Struct

from scheduler.jobfile.files import File
from scheduler.jobfile.mistakes import Mistake, Mistaken, Mistakes, Place, advice
from scheduler.jobfile.references import Part, References

MAX_DEPTH = 50
MAX_ALIASED_NODES = 100_000

_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"
_KINDS = {
    _TAG + "str": "string",
    _TAG + "bool": "boolean",
    _TAG + "int": "number",
    _TAG + "float": "number",
    _TAG + "null": "null",
    _TAG + "timestamp": "date",
    _TAG + "value": "string",
}
_COLLECTIONS = {yaml.MappingStartEvent: _TAG + "map", yaml.SequenceStartEvent: _TAG + "seq"}


class Node(Struct, frozen=True):
    """What stands at ``path`` in a file."""

    place: Place
    path: str

    def mistake(self, text: str) -> Mistake:
        """What was found here and what to do."""
        return Mistake(self.place, self.path, text)

    def wrong(self, text: str) -> Mistaken:
        """The mistake as an exception, for where reading cannot go on."""
        return Mistaken(self.mistake(text))


class Scalar(Node, frozen=True):
    """
    A value as it is written; ``kind`` is what YAML 1.1 takes it for: string, boolean, number, date or null.

    ``parts`` is what a string with references consists of, ``None`` for one without. ``flaw`` is what is wrong with its
    references, ``None`` when nothing is.
    """

    text: str
    kind: str
    parts: tuple[Part, ...] | None = None
    flaw: str | None = None


class Sequence(Node, frozen=True):
    """A list."""

    elements: list[Node]


class Mapping(Node, frozen=True):
    """A mapping, merge keys resolved: its own keys first."""

    entries: dict[str, Node]

    def only(self, known: Iterable[str], mistakes: Mistakes) -> None:
        """Note each key that is not among ``known``."""
        names = known if isinstance(known, dict | frozenset | set) else tuple(known)
        for name, node in self.entries.items():
            if name not in names:
                mistakes.add(node.mistake(f"unknown key '{name}'; {advice(name, names)}"))


def read_tree(file: File, references: References, mistakes: Mistakes) -> Mapping:
    """
    The mapping that a job file holds; an empty file is an empty one. Notes repeated keys and the like on the way.

    Raises:
        Mistaken: it is no YAML, no mapping, or expands to too much.
    """
    root = Node(Place(file.name), "file")
    node = read_node(file, references, mistakes)
    if node is None:
        return Mapping(root.place, root.path, {})
    if not isinstance(node, Mapping):
        raise root.wrong("is not a mapping; want the keys version, defaults, agents, profiles and jobs")
    return node


def read_node(file: File, references: References | None, mistakes: Mistakes) -> Node | None:
    """
    Whatever a file holds, a job file or not; ``None`` when it is empty. Without ``references`` a dollar is a dollar.

    Raises:
        Mistaken: it is no YAML, or expands to too much.
    """
    try:
        return _Reader(file, references, mistakes).document()
    except yaml.reader.ReaderError as e:
        before = file.text.encode()[: e.position].decode(errors="replace")
        place = Place(file.name, before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise Mistaken(Mistake(place, "file", f"is not YAML: {e.reason}; remove them")) from e
    except yaml.MarkedYAMLError as e:
        raise Mistaken(Mistake(_place(file.name, e.problem_mark), "file", _syntax_text(e, file.text))) from e


def _syntax_text(e: yaml.MarkedYAMLError, text: str) -> str:
    if e.problem_mark is not None and _is_indented_by_tab(text, e.problem_mark.line):
        return "is not YAML: a tab indents the line; use spaces"
    problem = " ".join(part for part in (e.problem, e.context) if part)
    return f"is not YAML: {problem}; check the indentation, and quote values that begin with * @ & % or !"


def _is_indented_by_tab(text: str, line: int) -> bool:
    found = text.splitlines()[line : line + 1]
    return any("\t" in words[: -len(words.lstrip())] for words in found if words.strip())


def _place(file: str, mark: yaml.Mark | None) -> Place:
    return Place(file) if mark is None else Place(file, mark.line + 1, mark.column + 1)


class _Anchored(Struct):
    """A node that aliases may stand for; ``size`` counts it and all below it, ``height`` the levels below it."""

    node: Node
    size: int
    height: int


class _Reader:
    """
    Reads one file; ``_size`` counts all nodes so far, behind aliases again, ``_height`` is that of the last.

    ``_plain_keys`` are keys that YAML takes for strings without quotes too.
    """

    def __init__(self, file: File, references: References | None, mistakes: Mistakes) -> None:
        self._file = file.name
        self._references = references
        self._mistakes = mistakes
        # None comes after the end of the stream only, which is not asked beyond.
        self._event: Callable[[], yaml.Event] = yaml.CSafeLoader(file.text).get_event  # type: ignore[assignment]
        self._plain_keys: set[str] = set()
        self._anchors: dict[str, _Anchored | None] = {}
        self._size = 0
        self._aliased = 0
        self._height = 0

    def document(self) -> Node | None:
        """The only document of the file, ``None`` when there is none."""
        found: Node | None = None
        documents = 0
        while not isinstance(event := self._event(), yaml.StreamEndEvent):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._wrong(event, "", "holds a second document; put it into a file of its own")
            elif not isinstance(event, yaml.DocumentEndEvent | yaml.StreamStartEvent):
                found = self._node(event, Place(self._file), "", 0)
        return found

    def _node(self, event: yaml.Event, place: Place, path: str, depth: int) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, path, depth)
        assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)  # noqa: S101 no other begins a node
        self._size += 1
        before, anchor = self._size, event.anchor
        if anchor is not None:
            self._anchors[anchor] = None  # until it is complete it cannot stand inside itself
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event, place, path)
            self._height = 0
        else:
            node = self._collection(event, place, path, depth + 1)
        if anchor is not None:
            self._anchors[anchor] = _Anchored(node, self._size - before + 1, self._height)
        return node

    def _alias(self, event: yaml.AliasEvent, path: str, depth: int) -> Node:
        if event.anchor not in self._anchors:
            raise self._wrong(event, path, f"is not YAML: the alias '*{event.anchor}' has no anchor; correct its name")
        found = self._anchors[event.anchor]
        if found is None:
            raise self._wrong(event, path, f"the alias '*{event.anchor}' stands inside itself; remove it")
        self._size += found.size
        self._aliased += found.size
        self._height = found.height
        if self._aliased > MAX_ALIASED_NODES:
            raise self._wrong(None, "", f"aliases expand to over {MAX_ALIASED_NODES:,} nodes; use fewer of them")
        self._check_depth(depth + found.height)
        return found.node

    def _collection(self, event: yaml.CollectionStartEvent, place: Place, path: str, depth: int) -> Node:
        self._check_depth(depth)
        if event.tag not in (None, "!", _COLLECTIONS[type(event)]):
            self._note(event, path, f"the tag '{event.tag}' is not supported; remove it")
        read = self._mapping if type(event) is yaml.MappingStartEvent else self._sequence
        return read(place, path, depth)

    def _sequence(self, place: Place, path: str, depth: int) -> Sequence:
        elements: list[Node] = []
        height = 0
        for event in iter(self._next, None):
            elements.append(self._node(event, self._at(event), f"{path}[{len(elements)}]", depth))
            height = max(height, self._height)
        self._height = height + 1
        return Sequence(place, path, elements)

    def _mapping(self, place: Place, path: str, depth: int) -> Mapping:
        """Most of a file's time is spent here: the plain key with a plain value goes without a further call."""
        entries: dict[str, Node] = {}
        merged: list[Mapping] = []
        height = 0
        while type(key := self._event()) is not yaml.MappingEndEvent:
            if type(key) is yaml.ScalarEvent and key.value == "<<" and _is_merge(key):
                merged += self._merged(key, path, depth)
                height = max(height, self._height)
                continue
            name: str | None
            if type(key) is yaml.ScalarEvent and key.value in self._plain_keys and key.tag is None:
                self._size += 1
                name = key.value
            else:
                name = self._key(key, path, depth)
            at = self._at(key)
            inner = f"{path}.{name}" if path else name or ""
            value = self._event()
            if type(value) is yaml.ScalarEvent and value.anchor is None:
                self._size += 1
                node: Node = self._scalar(value, at, inner)
            else:
                node = self._node(value, at, inner, depth)
                height = max(height, self._height)
            if name is not None and entries.setdefault(name, node) is not node:
                text = f"given twice, first at {entries[name].place}; remove or rename one"
                self._mistakes.add(Mistake(at, inner, text))
        for source in merged:
            entries = source.entries | entries
        self._height = height + 1
        return Mapping(place, path, entries)

    def _key(self, key: yaml.Event, path: str, depth: int) -> str | None:
        if isinstance(key, yaml.ScalarEvent):
            self._size += 1
            kind = self._kind(key, path)
            if kind != "string":
                self._note(key, path, f'YAML reads the key {key.value} as a {kind}; quote it: "{key.value}"')
            elif key.implicit[0]:
                self._plain_keys.add(key.value)
            return key.value
        node = self._node(key, self._at(key), path, depth)
        if isinstance(node, Scalar):
            return node.text
        self._note(key, path, "a key is a list or a mapping; want a string")
        return None

    def _merged(self, key: yaml.Event, path: str, depth: int) -> list[Mapping]:
        """The mappings that a ``<<`` brings in; where two have a key, the earlier one wins."""
        event = self._event()
        value = self._node(event, self._at(event), path, depth)
        sources = value.elements if isinstance(value, Sequence) else [value]
        found = [source for source in sources if isinstance(source, Mapping)]
        if len(found) < len(sources):
            self._note(key, path, "'<<' merges a mapping or a list of mappings; found something else")
            return []
        return found

    def _scalar(self, event: yaml.ScalarEvent, place: Place, path: str) -> Scalar:
        kind = self._kind(event, path)
        if kind != "string" or "$" not in event.value or self._references is None:
            return Scalar(place, path, event.value, kind)
        try:
            return Scalar(place, path, event.value, kind, self._references.parts(event.value, self._file))
        except ValueError as e:
            self._mistakes.add(Mistake(place, path, str(e)))
            return Scalar(place, path, event.value, kind, None, str(e))

    def _kind(self, event: yaml.ScalarEvent, path: str) -> str:
        tag = event.tag
        if tag is None:
            return _plain_kind(event.value) if event.implicit[0] else "string"
        if tag not in _KINDS and tag != "!":
            self._note(event, path, f"the tag '{tag}' is not supported; remove it")
        return _KINDS.get(tag, "string")

    def _next(self) -> yaml.Event | None:
        """The next event of a collection, ``None`` at its end."""
        event = self._event()
        return None if type(event) in (yaml.MappingEndEvent, yaml.SequenceEndEvent) else event

    def _check_depth(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise self._wrong(None, "", f"is nested deeper than {MAX_DEPTH} levels; flatten it")

    def _at(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        return Place(self._file, mark.line + 1, mark.column + 1) if mark else Place(self._file)

    def _note(self, event: yaml.Event, path: str, text: str) -> None:
        self._mistakes.add(Mistake(self._at(event), path or "file", text))

    def _wrong(self, event: yaml.Event | None, path: str, text: str) -> Mistaken:
        place = Place(self._file) if event is None else self._at(event)
        return Mistaken(Mistake(place, path or "file", text))


def _is_merge(key: yaml.ScalarEvent) -> bool:
    return key.tag == _MERGE or (key.value == "<<" and key.tag is None and key.implicit[0])


_resolver = yaml.SafeLoader("")


@lru_cache(maxsize=65_536)
def _plain_kind(text: str) -> str:
    """What YAML 1.1 takes a plain scalar for."""
    tag = _resolver.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return _KINDS.get(tag, "string")
