"""
The task of a job: the protocol's task object, read by the protocol's own reader.

That reader takes JSON and knows no places, so its complaints are led back to the node they are about.
"""

import re

import msgspec
from msgspec import Raw, Struct

from protocol.errors import Unreadable
from protocol.tasks import TASK_TYPES, read_task
from protocol.tasks.interface import Task
from scheduler.jobfile.mistakes import Mistaken, Mistakes, advice
from scheduler.jobfile.tree import Mapping, Node, Scalar, Sequence
from scheduler.jobfile.values import is_string, not_a_string, shown, string

_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
# msgspec ends a complaint about an inner value with its path, and has [...] for any value of a map.
_WHERE = re.compile(r" - at `\$(?P<steps>.*)`$")
_STEP = re.compile(r"\.(?P<key>[^.\[]+)|\[(?P<index>[0-9]+)\]|(?P<any>\[\.\.\.\])")


def task(node: Node, mistakes: Mistakes) -> Task:
    """The task object at ``node``; keys that its type does not have are noted as mistakes."""
    name, payload = _variant(node)
    if name not in TASK_TYPES:
        raise node.wrong(f"unknown task type '{name}'; {advice(name, TASK_TYPES)}")
    try:
        found = read_task(msgspec.json.encode(_plain(node)))
    except Unreadable as e:
        raise _complaint(payload, str(e)) from e
    if isinstance(payload, Mapping) and isinstance(found.payload, Struct):
        payload.only(found.payload.__struct_fields__, mistakes)
    refusal = TASK_TYPES[name].refuse(found.payload)
    if refusal is not None:
        raise payload.wrong(f"{refusal}; correct it")
    return found


def _variant(node: Node) -> tuple[str, Node]:
    """The name of the task type and where its payload stands."""
    if isinstance(node, Mapping):
        if len(node.entries) == 1:
            return next(iter(node.entries.items()))
        raise node.wrong(f"found {len(node.entries)} keys; want one task, such as {{ping: example.org}}")
    if isinstance(node, Scalar) and node.kind == "string":
        return node.text, node
    raise node.wrong(f"found {shown(node)}; want one task, such as {{ping: example.org}}")


def _plain(node: Node) -> object:
    """The node as what JSON has for it."""
    match node:
        case Mapping(entries=entries):
            return {name: _plain(entry) for name, entry in entries.items()}
        case Sequence(elements=elements):
            return [_plain(element) for element in elements]
        case Scalar(kind="null"):
            return None
        case Scalar(kind="boolean", text="true" | "false" as text):
            return text == "true"
        case Scalar(kind="number", text=text) if _JSON_NUMBER.fullmatch(text):
            return Raw(text.encode())
        case _:
            return string(node)


def _complaint(payload: Node, text: str) -> Mistaken:
    where = _WHERE.search(text)
    found = _WHERE.sub("", text)
    node = _follow(payload, where["steps"]) if where else payload
    if found.startswith("Expected `str") and not is_string(node):
        return not_a_string(node)
    return node.wrong(f"{found}; correct the task")


def _follow(node: Node, steps: str) -> Node:
    """The node that msgspec's path leads to, or the last one on the way that exists."""
    for step in _STEP.finditer(steps):
        if isinstance(node, Mapping):
            entry = _first_odd(node) if step["any"] else node.entries.get(step["key"])
            node = entry or node
        elif isinstance(node, Sequence) and step["index"]:
            node = node.elements[int(step["index"])]
    return node


def _first_odd(node: Mapping) -> Node | None:
    return next((value for value in node.entries.values() if not is_string(value)), None)
