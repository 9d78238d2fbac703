"""The ``expect`` of a job: read for one task type, so that what can never be judged is a mistake and not a surprise."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jmespath
import msgspec
from jmespath.exceptions import JMESPathError

from protocol.expect import APPLIES_TO, is_status
from scheduler.jobfile import values
from scheduler.jobfile.mistakes import Mistakes, advice
from scheduler.jobfile.tasks import TaskText
from scheduler.jobfile.tree import Node, Scalar

KEYS = tuple(APPLIES_TO)


def expect(node: Node, type_name: str | None, mistakes: Mistakes) -> bytes | None:
    """
    The expectations as the JSON that travels, references in it; ``None`` for an empty mapping.

    ``type_name`` ``None``: for whatever type may take them.
    """
    entries = values.mapping(node).entries
    read: dict[str, Any] = {}
    for key, entry in entries.items():
        if key not in APPLIES_TO:
            mistakes.add(entry.mistake(f"unknown key '{key}'; {advice(key, APPLIES_TO)}"))
        elif type_name is not None and type_name not in APPLIES_TO[key]:
            text = f"says nothing about {type_name}; it is for {', '.join(APPLIES_TO[key])}"
            mistakes.add(entry.mistake(text))
        else:
            name, reader = _READERS[key]
            read[name] = mistakes.attempt(partial(reader, mistakes), entry)
    return msgspec.json.encode(read) if read else None


def check_certificate(node: Node, task: TaskText, options: bytes | None, mistakes: Mistakes) -> None:
    """Note that a certificate is expected where none can ever be seen."""
    entry = values.mapping(node).entries.get("cert_valid_for")
    if entry is None:
        return
    if task.type_name == "tcp_ping" and b'"tls":true' not in (options or b""):
        mistakes.add(entry.mistake("tcp_ping sees no certificate without TLS; add options: {tls: true}"))
    if task.text.startswith(b'{"http_ping":"http://') and b'"follow_redirects":true' not in (options or b""):
        mistakes.add(entry.mistake("http:// has no certificate; want a URL with https://"))


def _status(_mistakes: Mistakes, node: Node) -> list[int | str]:
    return [_one_status(element) for element in values.one_or_more(node)]


def _one_status(node: Node) -> int | str:
    if isinstance(node, Scalar):
        status = int(node.text) if node.text.isascii() and node.text.isdecimal() else node.text
        if is_status(status):
            return status
    raise node.wrong(f"found {values.shown(node)}; want a code such as 200 or a class such as 2xx")


def _body_regex(_mistakes: Mistakes, node: Node) -> str:
    values.regular_expression(node)
    return values.shown_string(node)


def _header(mistakes: Mistakes, node: Node) -> dict[str, str | None]:
    entries = values.mapping(node).entries
    read = partial(_body_regex, mistakes)
    return {name.lower(): mistakes.attempt(read, entry) for name, entry in entries.items()}


def _json(mistakes: Mistakes, node: Node) -> dict[str, Any]:
    entries = values.mapping(node).entries
    return {name: mistakes.attempt(partial(_json_value, name), entry) for name, entry in entries.items()}


def _json_value(expression: str, node: Node) -> Any:
    try:
        jmespath.compile(expression)
    except JMESPathError as e:
        why = str(e).partition("\n")[0].removeprefix("Invalid jmespath expression: ").rstrip(":")
        raise node.wrong(f"'{expression}' is no JMESPath expression: {why}; correct it") from e
    return values.plain(node, values.shown_string)


def _latency(mistakes: Mistakes, node: Node) -> dict[str, int | None]:
    entries = values.mapping(node)
    entries.only(("warn", "fail"), mistakes)
    read: Callable[[Node], int] = partial(values.duration, least="1ms", most="5m")
    found = {f"{key}_ms": mistakes.attempt(read, entry) for key, entry in entries.entries.items()}
    warn, fail = found.get("warn_ms"), found.get("fail_ms")
    if warn is not None and fail is not None and warn >= fail:
        mistakes.add(node.mistake("warn is not below fail; want warn to come first"))
    return found


def _cert_valid_for(_mistakes: Mistakes, node: Node) -> int:
    return values.duration(node, "1m", "3650d")


def _loss(_mistakes: Mistakes, node: Node) -> float:
    return values.number(node, 0, 100)


_READERS: Mapping[str, tuple[str, Callable[[Mistakes, Node], Any]]] = {
    "status": ("status", _status),
    "body_regex": ("body_regex", _body_regex),
    "json": ("json", _json),
    "header": ("header", _header),
    "latency": ("latency", _latency),
    "cert_valid_for": ("cert_valid_for_ms", _cert_valid_for),
    "loss": ("loss", _loss),
}
"""The name on the wire and the reader of each key; what is a duration for people is milliseconds there."""
