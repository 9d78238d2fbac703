"""
YAML text as a tree of nodes, each of which knows its place and its path. Merge keys and aliases are resolved here.

PyYAML composes nodes and constructs nothing. The place of a node is that of its key, where it has one.
"""

from collections.abc import Iterable, Iterator

import yaml
from msgspec import Struct

from scheduler.jobfile.files import File
from scheduler.jobfile.mistakes import Mistake, Mistaken, Mistakes, Place, advice

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
_COLLECTIONS = (_TAG + "map", _TAG + "seq")


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
    """A value as it is written; ``kind`` is what YAML 1.1 takes it for: string, boolean, number, date or null."""

    text: str
    kind: str


class Sequence(Node, frozen=True):
    """A list."""

    elements: list[Node]


class Mapping(Node, frozen=True):
    """A mapping, merge keys resolved: its own keys first."""

    entries: dict[str, Node]

    def only(self, known: Iterable[str], mistakes: Mistakes) -> None:
        """Note each key that is not among ``known``."""
        names = tuple(known)
        for name, node in self.entries.items():
            if name not in names:
                mistakes.add(node.mistake(f"unknown key '{name}'; {advice(name, names)}"))


def read_tree(file: File, mistakes: Mistakes) -> Mapping:
    """
    The mapping that a file holds; an empty file is an empty one. Notes repeated keys and the like on the way.

    Raises:
        Mistaken: it is no YAML, no mapping, or expands to too much.
    """
    root = Node(Place(file.name), "file")
    composed = _compose(file, root)
    if composed is None:
        return Mapping(root.place, root.path, {})
    if not isinstance(composed, yaml.MappingNode):
        raise root.wrong("is not a mapping; want the keys version, defaults, agents and jobs")
    _check_aliases(composed, root)
    return _Reader(file.name, mistakes).mapping(composed, root.place, "")


def read_node(file: File, mistakes: Mistakes) -> Node | None:
    """
    Whatever a file holds, a job file or not; ``None`` when it is empty.

    Raises:
        Mistaken: it is no YAML, or expands to too much.
    """
    root = Node(Place(file.name), "file")
    composed = _compose(file, root)
    if composed is None:
        return None
    _check_aliases(composed, root)
    return _Reader(file.name, mistakes).node(composed, root.place, "")


def _compose(file: File, root: Node) -> yaml.Node | None:
    try:
        # The composer recurses in C, where depth is a crash: the events tell the depth beforehand.
        depth = 0
        for event in yaml.parse(file.text, Loader=yaml.CSafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            _check_depth(depth, root)
        return yaml.compose(file.text, Loader=yaml.CSafeLoader)
    except yaml.reader.ReaderError as e:
        before = file.text.encode()[: e.position].decode(errors="replace")
        place = Place(file.name, before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise Mistaken(Mistake(place, "file", f"is not YAML: {e.reason}; remove them")) from e
    except yaml.MarkedYAMLError as e:
        raise Mistaken(Mistake(_place(file.name, e.problem_mark), "file", _syntax_text(e))) from e


def _check_depth(depth: int, root: Node) -> None:
    if depth > MAX_DEPTH:
        raise root.wrong(f"is nested deeper than {MAX_DEPTH} levels; flatten it")


def _syntax_text(e: yaml.MarkedYAMLError) -> str:
    if e.context == "expected a single document in the stream":
        return "holds a second document; put it into a file of its own"
    problem = " ".join(part for part in (e.problem, e.context) if part)
    return f"is not YAML: {problem}; check the indentation, and quote values that begin with * @ & % or !"


def _place(file: str, mark: yaml.Mark | None) -> Place:
    return Place(file) if mark is None else Place(file, mark.line + 1, mark.column + 1)


def _check_aliases(top: yaml.Node, root: Node) -> None:
    """Count the nodes that are reached again through an alias; a node that holds itself ends by its depth."""
    seen: set[int] = set()
    again = 0
    waiting = [(top, 1)]
    while waiting:
        node, depth = waiting.pop()
        _check_depth(depth, root)
        again += id(node) in seen
        if again > MAX_ALIASED_NODES:
            raise root.wrong(f"aliases expand to over {MAX_ALIASED_NODES:,} nodes; use fewer of them")
        seen.add(id(node))
        waiting.extend((child, depth + 1) for child in _children(node))


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    for child in () if isinstance(node, yaml.ScalarNode) else node.value:
        if isinstance(node, yaml.MappingNode):
            yield from child
        else:
            yield child


class _Reader:
    def __init__(self, file: str, mistakes: Mistakes) -> None:
        self._file = file
        self._mistakes = mistakes

    def mapping(self, composed: yaml.MappingNode, place: Place, path: str) -> Mapping:
        entries: dict[str, Node] = {}
        merged: list[yaml.MappingNode] = []
        for key, value in composed.value:
            if key.tag == _MERGE:
                merged += self._merged(key, value, path)
                continue
            name = self._key(key, path)
            if name is None:
                continue
            node = self.node(value, self._at(key), f"{path}.{name}" if path else name)
            if name in entries:
                text = f"given twice, first at {entries[name].place}; remove or rename one"
                self._mistakes.add(Mistake(node.place, node.path, text))
            else:
                entries[name] = node
        for source in merged:
            entries = self.mapping(source, place, path).entries | entries
        return Mapping(place, path, entries)

    def _merged(self, key: yaml.Node, value: yaml.Node, path: str) -> list[yaml.MappingNode]:
        """The mappings that a ``<<`` brings in; where two have a key, the earlier one wins."""
        sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
        if not all(isinstance(source, yaml.MappingNode) for source in sources):
            self._note(key, path, "'<<' merges a mapping or a list of mappings; found something else")
            return []
        return list(sources)

    def _key(self, key: yaml.Node, path: str) -> str | None:
        if not isinstance(key, yaml.ScalarNode):
            self._note(key, path, "a key is a list or a mapping; want a string")
            return None
        kind = self._kind(key, path)
        if kind != "string":
            self._note(key, path, f'YAML reads the key {key.value} as a {kind}; quote it: "{key.value}"')
        return str(key.value)

    def node(self, composed: yaml.Node, place: Place, path: str) -> Node:
        if isinstance(composed, yaml.ScalarNode):
            return Scalar(place, path, composed.value, self._kind(composed, path))
        if composed.tag not in _COLLECTIONS:
            self._note(composed, path, f"the tag '{composed.tag}' is not supported; remove it")
        if isinstance(composed, yaml.MappingNode):
            return self.mapping(composed, place, path)
        elements = enumerate(composed.value)
        return Sequence(place, path, [self.node(e, self._at(e), f"{path}[{i}]") for i, e in elements])

    def _kind(self, scalar: yaml.ScalarNode, path: str) -> str:
        if scalar.tag not in _KINDS:
            self._note(scalar, path, f"the tag '{scalar.tag}' is not supported; remove it")
        return _KINDS.get(scalar.tag, "string")

    def _at(self, composed: yaml.Node) -> Place:
        return _place(self._file, composed.start_mark)

    def _note(self, composed: yaml.Node, path: str, text: str) -> None:
        self._mistakes.add(Mistake(self._at(composed), path or "file", text))
