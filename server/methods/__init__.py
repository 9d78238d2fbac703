"""
The methods by namespace, one file each, and the one table of them.

To add a method: its parameters in ``protocol/methods/``, its row in its namespace's file.
"""

from collections.abc import Iterable

from server.methods.interface import Method


def table(*namespaces: Iterable[Method]) -> dict[str, Method]:
    """The methods by name."""
    return {method.name: method for namespace in namespaces for method in namespace}
