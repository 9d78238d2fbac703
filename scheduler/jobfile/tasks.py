"""
The task of a job: the protocol's task object, read by the protocol's own reader.

That reader takes JSON and knows no places, so its complaints are led back to the node they are about.
"""

import re

import msgspec
from msgspec import Raw, Struct

from protocol.errors import Unreadable
from protocol.tasks import TASK_TYPES, read_task
from protocol.tasks.http_request import HttpRequest
from protocol.tasks.interface import Task
from scheduler.jobfile.mistakes import Mistaken, Mistakes, advice
from scheduler.jobfile.tree import Mapping, Node, Scalar, Sequence
from scheduler.jobfile.values import is_string, not_a_string, shown, string

_HOST_PORT = re.compile(r"(\[[^\]]+\]|[^:\s/]+):[0-9]{1,5}")
_HTTP = ("http://", "https://")
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
    hopeless = _hopeless(found)
    if hopeless is not None:
        raise payload.wrong(hopeless)
    return found


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
