"""Readers of single values: a node in, a value out, or ``Mistaken``. YAML 1.1's guesses are refused with advice."""

import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from protocol.errors import Unreadable
from protocol.reading import normal_uuid
from scheduler.durations import NotADuration, duration_ms
from scheduler.jobfile.mistakes import Mistaken, Mistakes, advice
from scheduler.jobfile.tree import Mapping, Node, Scalar, Sequence

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}")
_SHOWN = 40


def shown(node: Node) -> str:
    """The node in a message: strings in quotes, what YAML takes for something else without."""
    match node:
        case Scalar(kind="null"):
            return "nothing"
        case Scalar(kind="string", text=text):
            return f"'{text}'" if len(text) <= _SHOWN else f"'{text[:_SHOWN]}…'"
        case Scalar(text=text):
            return text
        case Sequence(elements=elements):
            return "a list" if elements else "an empty list"
        case _:
            return "a mapping"


def string(node: Node) -> str:
    """A string; what YAML takes for something else has to be quoted."""
    if isinstance(node, Scalar) and node.kind == "string":
        return node.text
    raise not_a_string(node)


def is_string(node: Node) -> bool:
    """Whether ``string`` would take it."""
    return isinstance(node, Scalar) and node.kind == "string"


def not_a_string(node: Node) -> Mistaken:
    """What to say of a node that should be a string."""
    if not isinstance(node, Scalar) or node.kind == "null":
        return node.wrong(f"found {shown(node)}; want a string")
    return node.wrong(f'YAML reads {node.text} as a {node.kind}; quote it: "{node.text}"')


def boolean(node: Node) -> bool:
    """``true`` or ``false``, in no other spelling."""
    if isinstance(node, Scalar) and node.kind == "boolean" and node.text in ("true", "false"):
        return node.text == "true"
    raise node.wrong(f"found {shown(node)}; want true or false")


def version(node: Node) -> int:
    """The only version there is."""
    if isinstance(node, Scalar) and node.kind == "number" and node.text == "1":
        return 1
    raise node.wrong(f"found {shown(node)}; want 1")


def mapping(node: Node) -> Mapping:
    """A mapping."""
    if isinstance(node, Mapping):
        return node
    raise node.wrong(f"found {shown(node)}; want a mapping")


def timeout_ms(node: Node) -> int:
    """How long a run may take."""
    if isinstance(node, Scalar) and node.kind == "number":
        raise node.wrong(f"found {node.text} without a unit; want 100ms to 5m, such as {node.text}s")
    try:
        return duration_ms(string(node), "100ms", "5m")
    except NotADuration as e:
        raise node.wrong(str(e)) from e


def uuid(node: Node) -> str:
    """A UUID, normalised."""
    found = uuid_of(string(node))
    if found is None:
        raise node.wrong(f"{shown(node)} is not a UUID; want a form like e8583352-39e8-5a5b-b66c-e450689088fd")
    return found


def uuid_of(text: str) -> str | None:
    """The UUID that ``text`` is, normalised; ``None`` when it is none."""
    try:
        return normal_uuid(text)
    except Unreadable:
        return None


def zone(node: Node) -> str:
    """The name of a time zone that this machine, or the tzdata package, knows."""
    name = string(node)
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as e:
        raise node.wrong(f"unknown time zone '{name}'; {advice(name, sorted(available_timezones()))}") from e
    return name


def named(node: Node, mistakes: Mistakes) -> dict[str, Node]:
    """The entries of a mapping whose keys are names that people give."""
    entries = mapping(node).entries
    for name, entry in entries.items():
        if not _NAME.fullmatch(name):
            text = f"the name '{name}' is not usable; want up to 128 of A-Z a-z 0-9 _ . : - and no . : - first"
            mistakes.add(entry.mistake(text))
    return entries
