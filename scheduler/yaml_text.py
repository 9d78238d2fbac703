"""
Plain data as YAML that people read: short lists and mappings on one line, text of several lines as a block, no aliases.

PyYAML's emitter quotes what needs it.
"""

from collections.abc import Mapping
from typing import Any

import yaml

_WIDTH = 100
_ENDLESS = 1_000_000


class _Representer(yaml.representer.SafeRepresenter):
    def ignore_aliases(self, _value: Any) -> bool:
        return True

    def represent_str(self, value: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        node = super().represent_sequence(tag, sequence, flow_style)
        node.flow_style = _is_short(node.value)
        return node

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        node = super().represent_mapping(tag, mapping, flow_style)
        node.flow_style = _is_short([part for pair in node.value for part in pair])
        return node


_Representer.add_representer(str, _Representer.represent_str)


def _is_short(parts: list[yaml.Node]) -> bool:
    if any(not isinstance(part, yaml.ScalarNode) or part.style == "|" for part in parts):
        return False
    return sum(len(part.value) + 2 for part in parts) < _WIDTH


def yaml_text(value: Mapping[str, Any], levels: int) -> str:
    """The mapping, its ``levels`` outermost mappings and sequences with a line for each entry."""
    top = _Representer(sort_keys=False).represent_data(value)
    level = [top]
    for _ in range(levels):
        collections = [node for node in level if isinstance(node, yaml.CollectionNode)]
        for node in collections:
            node.flow_style = False
        level = [part for node in collections for part in _parts(node)]
    return str(yaml.serialize(top, Dumper=yaml.SafeDumper, allow_unicode=True, width=_ENDLESS))


def _parts(node: yaml.CollectionNode) -> list[yaml.Node]:
    return [value for _key, value in node.value] if isinstance(node, yaml.MappingNode) else node.value
