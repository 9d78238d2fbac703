"""Rules and their cases as the files that Prometheus and promtool read."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from scheduler.rules.interface import Group
from scheduler.yaml_text import yaml_text

_LEVELS = 5
"""The document, its list, an entry of it, a list of that, and an entry of that: a line for each key of them."""


def plain(groups: Iterable[Group]) -> dict[str, Any]:
    """The document of a rule file."""
    return {"groups": [msgspec.to_builtins(group) for group in groups]}


def text(document: Mapping[str, Any]) -> str:
    """A document as YAML."""
    return "# Made by `cronprobe rules`: make it anew instead of changing it.\n" + yaml_text(document, _LEVELS)
