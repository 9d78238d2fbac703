"""
The ``options`` of a job: measuring options of its task type, in the words of people, as the JSON that travels.

Durations and sizes get their units; the protocol's own reader says what is wrong with the rest.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec
from msgspec import Raw

from protocol.errors import Unreadable
from protocol.secrets import without_quotes
from protocol.tasks import TASK_TYPES, read_options
from scheduler.jobfile import values
from scheduler.jobfile.mistakes import Mistaken, Mistakes, advice
from scheduler.jobfile.tree import Node, Scalar

_COMPLAINT = re.compile(r"options\.(?P<name>[^:]+): (?P<text>.*)", re.DOTALL)
_SIZE = re.compile(r"(?P<number>[0-9]{1,9})(?P<unit>B|KiB|MiB)?")
_UNIT_BYTES = {None: 1, "B": 1, "KiB": 1024, "MiB": 1024 * 1024}


def options(node: Node, type_name: str, mistakes: Mistakes) -> bytes | None:
    """The options as the JSON that travels, references in it; ``None`` for an empty mapping."""
    entries = values.mapping(node).entries
    form = TASK_TYPES[type_name].options
    if form is None:
        raise node.wrong(f"says nothing about {type_name}; remove it")
    known = {_written(field): field for field in form.__struct_fields__}
    for name, entry in entries.items():
        if name not in known:
            mistakes.add(entry.mistake(f"unknown option '{name}' of {type_name}; {advice(name, known)}"))
    nodes = {name: entry for name, entry in entries.items() if name in known}
    read = {known[name]: mistakes.attempt(partial(_value, name), entry) for name, entry in nodes.items()}
    shown = {
        known[name]: _value(name, entry, values.shown_string) for name, entry in nodes.items() if known[name] in read
    }
    _check(type_name, read, nodes)
    return msgspec.json.encode(shown) if shown else None


def _written(field: str) -> str:
    """How people write an option: its unit is in the value, not in the name."""
    return field.removesuffix("_ms")


def _value(name: str, node: Node, text_of: Callable[[Node], str] = values.string) -> Any:
    if name == "interval":
        return values.duration(node, "10ms", "60s")
    if name == "max_body" and isinstance(node, Scalar):
        size = _SIZE.fullmatch(node.text)
        if size is None:
            raise node.wrong(f"found {values.shown(node)}; want a size such as 64KiB or 1MiB")
        return int(size["number"]) * _UNIT_BYTES[size["unit"]]
    if name == "family" and values.is_string(node):
        if values.string(node) != "auto":
            raise node.wrong(f"found {values.shown(node)}; want 4, 6 or auto")
        return None
    if name == "http_version" and isinstance(node, Scalar) and node.kind == "number":
        raise node.wrong(f'YAML reads {node.text} as a number; quote it: "{node.text}"')
    return values.plain(node, text_of)


def _check(type_name: str, read: Mapping[str, Any], nodes: Mapping[str, Node]) -> None:
    try:
        read_options(type_name, Raw(msgspec.json.encode(read)))
    except Unreadable as e:
        raise _complaint(without_quotes(str(e), values.secrets(nodes.values())), nodes) from e


def _complaint(text: str, nodes: Mapping[str, Node]) -> Mistaken:
    match = _COMPLAINT.fullmatch(text)
    name = "" if match is None else _written(match["name"])
    if match is None or name not in nodes:
        return next(iter(nodes.values())).wrong(f"{text}; correct it")
    return nodes[name].wrong(match["text"])
