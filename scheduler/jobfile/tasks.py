"""
The task of a job: the protocol's task object, read by the protocol's own reader.

That reader takes JSON and knows no places, so its complaints are led back to the node they are about.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

import msgspec
from msgspec import Struct

from protocol.errors import Unreadable
from protocol.secrets import json_inside, without_quotes
from protocol.tasks import TASK_TYPES, read_task, wire_text
from protocol.tasks.http_request import HttpRequest
from protocol.tasks.interface import Task
from scheduler.jobfile import tree
from scheduler.jobfile.mistakes import Mistaken, Mistakes, advice
from scheduler.jobfile.tree import Mapping, Node, Scalar
from scheduler.jobfile.values import is_string, not_a_string, plain, scalars, secrets, shown, shown_string

_HOST_PORT = re.compile(r"(\[[^\]]+\]|[^:\s/]+):[0-9]{1,5}")
_HTTP = ("http://", "https://")
# msgspec ends a complaint about an inner value with its path, and has [...] for any value of a map.
_WHERE = re.compile(r" - at `\$(?P<steps>.*)`$")
_STEP = re.compile(r"\.(?P<key>[^.\[]+)|\[(?P<index>[0-9]+)\]|(?P<any>\[\.\.\.\])")


class TaskText(Struct, frozen=True):
    """A task as people may see it: its JSON and its target, with references in the place of secrets."""

    type_name: str
    text: bytes
    target: str


def task(node: Node, mistakes: Mistakes) -> TaskText:
    """The task object at ``node``, filled; keys that its type does not have are noted as mistakes."""
    name, payload = type_of(node)
    try:
        given = plain(node)
    except Mistaken:
        for scalar in scalars(node):
            mistakes.attempt(plain, scalar)
        raise
    try:
        found, text = _read(msgspec.json.encode(given))
    except Unreadable as e:
        raise _complaint(payload, _shown(str(e), node)) from e
    if isinstance(payload, Mapping) and isinstance(found.payload, Struct):
        payload.only(found.payload.__struct_fields__, mistakes)
    refusal = TASK_TYPES[name].refuse(found.payload)
    if refusal is not None:
        raise payload.wrong(f"{_shown(refusal, node)}; correct it")
    hopeless = _hopeless(found)
    if hopeless is not None:
        raise payload.wrong(_shown(hopeless, node))
    references = list(secrets([node])) if mistakes.has_secrets else []
    return _with_references(node, references) if references else text


def _shown(complaint: str, node: Node) -> str:
    """What may be said of a task: where it has secrets, nothing is quoted of it."""
    where = _WHERE.search(complaint)
    return without_quotes(_WHERE.sub("", complaint), secrets([node])) + (where[0] if where else "")


@lru_cache(maxsize=16_384)
def _read(text: bytes) -> tuple[Task, TaskText]:
    """A reload finds most tasks as they were."""
    found = read_task(text)
    return found, _text(found)


def _text(found: Task) -> TaskText:
    return TaskText(found.name, wire_text(found), TASK_TYPES[found.name].target(found.payload))


def _with_references(node: Node, references: Sequence[str]) -> TaskText:
    """
    The task with references for secrets, in the form that its reader gives it.

    That reader may refuse or change a reference, as in a URL: marks that look like words stand for them meanwhile.
    """
    marks = {reference: f"reference0of0job{place}0" for place, reference in enumerate(references)}

    def marked(scalar: Node) -> str:
        text = shown_string(scalar)
        for reference, mark in marks.items():
            text = text.replace(reference, mark)
        return text

    try:
        found = _text(read_task(msgspec.json.encode(plain(node, marked))))
    except Unreadable:  # a reference stands where no word can, such as that of a port
        return TaskText(type_of(node)[0], msgspec.json.encode(plain(node, shown_string)), "")
    text, target = found.text.decode(), found.target
    for reference, mark in marks.items():
        text = text.replace(mark, json_inside(reference))
        target = target.replace(mark, reference)
    return TaskText(found.type_name, text.encode(), target)


def _hopeless(task: Task) -> str | None:
    """
    Why no agent can ever reach the target, ``None`` when one might.

    The protocol lets such tasks pass, and the target would be blamed for them.
    """
    match task:
        case Task("ping", target) if not target.strip() or "/" in target:
            return f"found '{target}'; want a host name or an IP address"
        case Task("tcp_ping", target) if not _is_host_port(target):
            return f"found '{target}'; want host:port or [IPv6]:port"
        case Task("http_ping", url) | Task("http_request", HttpRequest(url=url)) if not url.startswith(_HTTP):
            return f"found '{url}'; want a URL with http:// or https://"
        case _:
            return None


def _is_host_port(target: str) -> bool:
    return _HOST_PORT.fullmatch(target) is not None and 0 < int(target.rpartition(":")[2]) < 65536


def type_of(node: Node) -> tuple[str, Node]:
    """The name of the task type, which exists, and where its payload stands."""
    name, payload = _variant(node)
    if name not in TASK_TYPES:
        raise node.wrong(f"unknown task type '{name}'; {advice(name, TASK_TYPES)}")
    return name, payload


def _variant(node: Node) -> tuple[str, Node]:
    if isinstance(node, Mapping):
        if len(node.entries) == 1:
            return next(iter(node.entries.items()))
        raise node.wrong(f"found {len(node.entries)} keys; want one task, such as {{ping: example.org}}")
    if isinstance(node, Scalar) and node.kind == "string":
        return node.text, node
    raise node.wrong(f"found {shown(node)}; want one task, such as {{ping: example.org}}")


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
        elif isinstance(node, tree.Sequence) and step["index"]:
            node = node.elements[int(step["index"])]
    return node


def _first_odd(node: Mapping) -> Node | None:
    return next((value for value in node.entries.values() if not is_string(value)), None)
