"""Rows as arrays: how many of them reach PostgreSQL in one statement."""

from collections.abc import Mapping, Sequence
from typing import Any


def unnest(types: Mapping[str, str]) -> str:
    """A table ``v`` with columns of these names and types, of arrays that are the first parameters."""
    arrays = ", ".join(f"${place}::{type_}[]" for place, type_ in enumerate(types.values(), 1))
    return f"unnest({arrays}) AS v({', '.join(types)})"


def columns(rows: Sequence[Sequence[Any]], count: int) -> list[Sequence[Any]]:
    """The rows' ``count`` columns."""
    return list(zip(*rows, strict=True)) if rows else [()] * count
