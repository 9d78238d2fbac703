"""
SQL text that writes many rows in one statement.

One statement of 512 rows lets the driver work without the interpreter lock for its whole length, where 512 statements
would ask for the lock 512 times; a few fixed sizes keep the prepared statements in the driver's cache.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import Connection

_SIZES = (512, 64, 8, 1)


class Bulk:
    """A statement with a place for rows: ``head VALUES (?,…),(?,…) tail``."""

    def __init__(self, head: str, width: int, tail: str = "") -> None:
        row = "(" + ",".join("?" * width) + ")"
        self._texts = {size: f"{head} VALUES {','.join([row] * size)}{tail}" for size in _SIZES}

    def execute(self, connection: Connection, rows: Sequence[Sequence[Any]]) -> int:
        """Run it over all rows; answers how many rows of the table were touched."""
        touched = 0
        for part in _parts(rows):
            flat = tuple(chain.from_iterable(part))
            touched += connection.exec_driver_sql(self._texts[len(part)], flat).rowcount
        return touched


def _parts(rows: Sequence[Sequence[Any]]) -> Iterator[Sequence[Sequence[Any]]]:
    start = 0
    for size in _SIZES:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size
