"""Readers of single values: a node in, a value out, or ``Mistaken``. YAML 1.1's guesses are refused with advice."""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from msgspec import Raw

from protocol.errors import Unreadable
from protocol.patterns import pattern
from protocol.reading import normal_uuid
from scheduler.durations import NotADuration, duration_ms
from scheduler.jobfile.mistakes import Mistaken, Mistakes, advice
from scheduler.jobfile.references import Key, Secret
from scheduler.jobfile.tree import Mapping, Node, Scalar, Sequence

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}")
_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
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
    """A string, its references resolved; what YAML takes for something else has to be quoted."""
    if not isinstance(node, Scalar) or node.kind != "string":
        raise not_a_string(node)
    return _text(node) if node.parts is None else _joined(node, lambda secret: secret.value)


def shown_string(node: Node) -> str:
    """A string as people may see it: references stay."""
    if not isinstance(node, Scalar) or node.kind != "string":
        raise not_a_string(node)
    return _text(node) if node.parts is None else _joined(node, lambda secret: secret.reference)


def _text(node: Scalar) -> str:
    """The text of a string without references; a wrong one was noted, and nothing more is to be said of it."""
    if node.flaw is not None:
        raise node.wrong(node.flaw)
    return node.text


def _joined(node: Scalar, text_of: Callable[[Secret], str]) -> str:
    texts = []
    for part in node.parts or ():
        if isinstance(part, Key):
            text = f"'${{{part.name}}}' is no key of the job's matrix; declare it there, or write $${{{part.name}}}"
            raise node.wrong(text)
        texts.append(part if isinstance(part, str) else text_of(part))
    return "".join(texts)


def is_string(node: Node) -> bool:
    """Whether ``string`` would take it."""
    return isinstance(node, Scalar) and node.kind == "string"


def not_a_string(node: Node) -> Mistaken:
    """What to say of a node that should be a string."""
    if not isinstance(node, Scalar) or node.kind == "null":
        return node.wrong(f"found {shown(node)}; want a string")
    return node.wrong(f'YAML reads {node.text} as a {node.kind}; quote it: "{node.text}"')


def one_of(node: Node, *words: str) -> str:
    """One of these words."""
    if is_string(node) and string(node) in words:
        return string(node)
    raise node.wrong(f"found {shown(node)}; want {' or '.join(words)}")


def boolean(node: Node) -> bool:
    """``true`` or ``false``, in no other spelling."""
    if isinstance(node, Scalar) and node.kind == "boolean" and node.text in ("true", "false"):
        return node.text == "true"
    raise node.wrong(f"found {shown(node)}; want true or false")


def number(node: Node, least: float, most: float, *, whole: bool = False) -> float:
    """A number between ``least`` and ``most``, both inclusive."""
    if isinstance(node, Scalar) and node.kind == "number" and _JSON_NUMBER.fullmatch(node.text):
        value = float(node.text)
        if least <= value <= most and not (whole and value % 1):
            return value
    kind = "a whole number" if whole else "a number"
    raise node.wrong(f"found {shown(node)}; want {kind} from {least:g} to {most:g}")


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


def listed(node: Node) -> list[Node]:
    """A list that is not empty."""
    if isinstance(node, Sequence) and node.elements:
        return node.elements
    raise node.wrong(f"found {shown(node)}; want a list")


def one_or_more(node: Node) -> list[Node]:
    """The elements of a list, or the only one that stands without it."""
    return listed(node) if isinstance(node, Sequence) else [node]


def duration(node: Node, least: str, most: str) -> int:
    """The milliseconds of a duration between these two."""
    if isinstance(node, Scalar) and node.kind == "number":
        example = f"{node.text}s" if node.text.isdecimal() else "10s"
        raise node.wrong(f"found {node.text} without a unit; want {least} to {most}, such as {example}")
    try:
        return duration_ms(string(node), least, most)
    except NotADuration as e:
        raise node.wrong(str(e)) from e


def regular_expression(node: Node) -> str:
    """A regular expression of RE2."""
    text = string(node)
    try:
        pattern(text)
    except Unreadable as e:
        why = "no regular expression of RE2" if secrets([node]) else str(e)
        raise node.wrong(f"{shown(node)} is {why}; correct it") from e
    return text


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
    if not _is_zone(name):
        raise node.wrong(f"unknown time zone '{name}'; {advice(name, sorted(available_timezones()))}")
    return name


@lru_cache(maxsize=1_024)
def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def named(node: Node, mistakes: Mistakes) -> dict[str, Node]:
    """The entries of a mapping whose keys are names that people give."""
    entries = mapping(node).entries
    for name, entry in entries.items():
        if not _NAME.fullmatch(name):
            text = f"the name '{name}' is not usable; want up to 128 of A-Z a-z 0-9 _ . : - and no . : - first"
            mistakes.add(entry.mistake(text))
    return entries


def labels(node: Node, mistakes: Mistakes) -> dict[str, str]:
    """Texts by name, as people may see them."""
    entries = named(node, mistakes)
    return {name: mistakes.attempt(shown_string, entry) or "" for name, entry in entries.items()}


def plain(node: Node, text_of: Callable[[Node], str] = string) -> Any:
    """The node as what JSON has for it; ``text_of`` reads its strings."""
    match node:
        case Mapping(entries=entries):
            return {name: plain(entry, text_of) for name, entry in entries.items()}
        case Sequence(elements=elements):
            return [plain(element, text_of) for element in elements]
        case Scalar(kind="null"):
            return None
        case Scalar(kind="boolean", text="true" | "false" as text):
            return text == "true"
        case Scalar(kind="number", text=text) if _JSON_NUMBER.fullmatch(text):
            return Raw(text.encode())
        case _:
            return text_of(node)


def scalars(node: Node) -> Iterator[Scalar]:
    """Every scalar that the node is or holds."""
    match node:
        case Scalar():
            yield node
        case Mapping(entries=entries):
            for entry in entries.values():
                yield from scalars(entry)
        case Sequence(elements=elements):
            for element in elements:
                yield from scalars(element)


def secrets(nodes: Iterable[Node]) -> dict[str, str]:
    """The values by reference, of all that is in the nodes or below them."""
    parts = [part for node in nodes for scalar in scalars(node) for part in scalar.parts or ()]
    return {part.reference: part.value for part in parts if isinstance(part, Secret)}
