"""
A job's matrix: one cell for each combination of its keys' values, and nodes filled with the values of a cell.
"""

from collections.abc import Iterator, Mapping
from itertools import product
from math import prod

from msgspec.structs import replace

from scheduler.jobfile import tree, values
from scheduler.jobfile.mistakes import Mistaken
from scheduler.jobfile.references import MATRIX_KEY, Key, Part
from scheduler.jobfile.tree import Node, Scalar, Sequence

MOST_CELLS = 10_000

Cell = Mapping[str, Scalar]
"""The value of each key; empty for a job without a matrix."""


def matrix(node: Node) -> dict[str, list[Scalar]]:
    """The values of each key, all of them scalars."""
    keys = {name: _values(name, entry) for name, entry in values.mapping(node).entries.items()}
    if not keys:
        raise node.wrong("is empty; want {key: [values]}")
    cells = prod(len(listed) for listed in keys.values())
    if cells > MOST_CELLS:
        sizes = " x ".join(str(len(listed)) for listed in keys.values())
        raise node.wrong(f"has {sizes} = {cells:,} combinations; want {MOST_CELLS:,} at most, in jobs of their own")
    return keys


def _values(name: str, node: Node) -> list[Scalar]:
    if not MATRIX_KEY.fullmatch(name):
        raise node.wrong(f"the key '{name}' is not usable; want up to 64 of A-Z a-z 0-9 _ - and a letter or _ first")
    found: dict[str, Scalar] = {}
    for element in values.listed(node):
        if not isinstance(element, Scalar) or element.kind not in ("string", "number"):
            raise _not_a_value(element)
        if element.kind == "string":
            values.string(element)
        text = _shown(element)
        if text in found:
            raise element.wrong(f"{values.shown(element)} is in the list already, at {found[text].place}; remove one")
        found[text] = element
    return list(found.values())


def _not_a_value(node: Node) -> Mistaken:
    if isinstance(node, Scalar):
        return values.not_a_string(node)
    return node.wrong(f"found {values.shown(node)}; want a string or a number")


def cells(keys: Mapping[str, list[Scalar]]) -> Iterator[Cell]:
    """Each combination, the last key's values changing fastest."""
    for combination in product(*keys.values()):
        yield dict(zip(keys, combination, strict=True))


def name_of(cell: Cell) -> str:
    """The cell's name: its keys and values as they are written."""
    return ",".join(f"{key}={_shown(value)}" for key, value in cell.items())


def _shown(value: Scalar) -> str:
    return values.shown_string(value) if value.kind == "string" else value.text


def fill(node: Node, cell: Cell) -> Node:
    """The node with the cell's values in the place of its keys; other references stay."""
    if not cell:
        return node
    match node:
        case Scalar(parts=parts) if parts is not None and any(isinstance(part, Key) for part in parts):
            filled = tuple(piece for part in parts for piece in _filled(part, cell, node))
            return replace(node, parts=filled, text="".join(map(_text, filled)))
        case tree.Mapping(entries=entries):
            return replace(node, entries={name: fill(entry, cell) for name, entry in entries.items()})
        case Sequence(elements=elements):
            return replace(node, elements=[fill(element, cell) for element in elements])
        case _:
            return node


def _filled(part: Part, cell: Cell, node: Scalar) -> tuple[Part, ...]:
    if not isinstance(part, Key):
        return (part,)
    value = cell.get(part.name)
    if value is None:
        known = ", ".join(cell)
        raise node.wrong(f"'${{{part.name}}}' is no key of the matrix; known are {known}; the text itself is $${{…}}")
    return (value.text,) if value.parts is None else value.parts


def _text(part: Part) -> str:
    if isinstance(part, str):
        return part
    return f"${{{part.name}}}" if isinstance(part, Key) else part.reference


def has_keys(node: Node) -> bool:
    """Whether it has to be filled before it can be read."""
    match node:
        case Scalar(parts=parts):
            return any(isinstance(part, Key) for part in parts or ())
        case tree.Mapping(entries=entries):
            return any(map(has_keys, entries.values()))
        case Sequence(elements=elements):
            return any(map(has_keys, elements))
        case _:
            return False
