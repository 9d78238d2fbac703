"""
Secrets in texts that travel with references in their place, such as ``${env:TOKEN}``.

A reference is resolved right before its text is used, and a value that comes back is covered by its reference again.
"""

from collections.abc import Mapping

import msgspec

SHORTEST = 4
"""A shorter value is not told from ordinary text, and is not covered."""


def json_inside(text: str) -> str:
    """The text as it stands between the quotes of a JSON string."""
    return msgspec.json.encode(text).decode()[1:-1]


def resolve(text: bytes, secrets: Mapping[str, str]) -> bytes:
    """The JSON with the values in the place of their references."""
    for reference, value in secrets.items():
        text = text.replace(json_inside(reference).encode(), json_inside(value).encode())
    return text


def cover(text: str, secrets: Mapping[str, str]) -> str:
    """The text, JSON or not, with references in the place of values."""
    for reference, value in secrets.items():
        if len(value) >= SHORTEST:
            text = text.replace(value, reference).replace(json_inside(value), json_inside(reference))
    return text
