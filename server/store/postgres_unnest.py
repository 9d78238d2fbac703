"""Rows as arrays: how many of them reach PostgreSQL in one statement, and how many of them it touched."""

from collections.abc import Mapping, Sequence
from typing import Any


def unnest(types: Mapping[str, str]) -> str:
    """A table ``v`` with columns of these names and types, of arrays that are the first parameters."""
    arrays = ", ".join(f"${place}::{type_}[]" for place, type_ in enumerate(types.values(), 1))
    return f"unnest({arrays}) AS v({', '.join(types)})"


def columns(rows: Sequence[Sequence[Any]], count: int) -> list[Sequence[Any]]:
    """The rows' ``count`` columns."""
    return list(zip(*rows, strict=True)) if rows else [()] * count


def touched(status: str) -> int:
    """How many rows a statement touched, by what the driver says of it: ``INSERT 0 7``."""
    return int(status.rpartition(" ")[2])
