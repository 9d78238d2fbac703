"""
Secrets in texts that travel with references in their place, such as ``${env:TOKEN}``.

A reference is resolved right before its text is used, and a value that comes back is covered by its reference again, in
whatever way it is escaped. What else becomes of a value, such as its base64 or its hash, is not told from other text.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from urllib.parse import quote

import msgspec

from protocol.patterns import Pattern, pattern

SHORTEST = 4
"""A shorter value is not told from ordinary text, and is not covered."""

LONGEST_MIXED = 1_000
"""A longer value is looked for as a whole, and not with each character escaped in a way of its own."""

PROGRAM_BYTES = 64 * 1024 * 1024
"""Enough for hundreds of values of that length."""

REFERENCE = re.compile(r"\$\{(env|file):[^{}]+\}")

# JSON in JSON in JSON: a quote has seven backslashes then, and a backslash is eight.
_LEVELS = (8, 4, 2, 1)
_QUOTED = re.compile(r"['\"`].*(['\"`]|…)", re.DOTALL)
_PIECE = re.compile(r"\\+|.", re.DOTALL)


def json_inside(text: str) -> str:
    """The text as it stands between the quotes of a JSON string."""
    return msgspec.json.encode(text).decode()[1:-1]


def resolve(text: bytes, secrets: Mapping[str, str]) -> bytes:
    """The JSON with the values in the place of their references."""
    if not secrets:
        return text
    values = {json_inside(reference): json_inside(value) for reference, value in secrets.items()}
    pattern = "|".join(map(re.escape, values))
    return re.sub(pattern, lambda match: values[match[0]], text.decode()).encode()


def are_lost(text: str, secrets: Mapping[str, str]) -> bool:
    """Whether the JSON has references that nobody knows the values of any more."""
    known = {json_inside(reference) for reference in secrets}
    return any(match[0] not in known for match in REFERENCE.finditer(text))


def without_quotes(text: str, secrets: Mapping[str, str]) -> str:
    """A complaint with the references in the place of what it quotes, which may be a part of a value."""
    return _QUOTED.sub(lambda _: f"'{', '.join(secrets)}'", text) if secrets else text


def cover(text: str, secrets: Mapping[str, str]) -> str:
    """The text with references in the place of values."""
    return _covered(text, secrets, str)


def cover_json(text: str, secrets: Mapping[str, str]) -> str:
    """The same for a JSON, which stays one."""
    return _covered(text, secrets, json_inside)


def _covered(text: str, secrets: Mapping[str, str], written: Callable[[str], str]) -> str:
    longest_first = sorted(((value, reference) for reference, value in secrets.items()), key=lambda pair: -len(pair[0]))
    for value, reference in longest_first:
        if len(value) > LONGEST_MIXED:
            once = json_inside(value)
            for form in (json_inside(once), once, value, quote(value, safe="")):
                text = text.replace(form, written(reference))
    mixed = [pair for pair in longest_first if SHORTEST <= len(pair[0]) <= LONGEST_MIXED]
    if not mixed:
        return text
    return _any_of(tuple(value for value, _ in mixed)).replaced(text, lambda group: written(mixed[group - 1][1]))


@lru_cache(maxsize=4_096)
def _any_of(values: Sequence[str]) -> Pattern:
    """What finds a value in any of its forms, each in a group of its own."""
    return pattern("|".join(f"({''.join(map(_piece, _PIECE.findall(value)))})" for value in values), PROGRAM_BYTES)


@lru_cache(maxsize=1_024)
def _piece(piece: str) -> str:
    """
    A pattern for a character, or a run of backslashes, as it is and as JSON (RFC 8259, 7) and URLs (RFC 3986, 2.1)
    escape it.
    """
    if piece.isascii() and piece.isalnum():
        return piece
    percent = "".join(f"%{byte:02X}" for byte in piece.encode())
    if piece.startswith("\\"):
        runs = [rf"\\{{{len(piece) * level}}}" for level in _LEVELS]
        return f"(?:{'|'.join(runs)}|(?i:{percent}))"
    forms = [f"(?i:{percent})", r"\\{0,7}" + re.escape(piece)]
    escaped = json.dumps(piece)[1:-1].removeprefix("\\")
    if escaped != piece:
        forms.append(rf"\\{{1,7}}(?i:{re.escape(escaped)})")
    if piece == " ":
        forms.append(r"\+")
    return f"(?:{'|'.join(forms)})"
