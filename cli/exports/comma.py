"""CSV with a line of names; times are RFC 3339 in UTC, what is empty is empty."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Raw

from cli.exports.columns import COLUMNS, Cell, Kind
from cli.exports.interface import Export
from cli.rows import read_row
from cli.times import show_ms


class _Comma:
    def __init__(self, writer: Any) -> None:
        self._writer = writer
        writer.writerow(COLUMNS)

    def write(self, rows: Sequence[Raw]) -> None:
        for row in map(read_row, rows):
            self._writer.writerow([_text(kind, read(row)) for kind, read in COLUMNS.values()])


@contextmanager
def open_comma(path: Path) -> Iterator[Export]:
    """See ``interface.OpenExport``."""
    with path.open("w", encoding="utf-8", newline="") as file:
        yield _Comma(csv.writer(file))


def _text(kind: Kind, value: Cell) -> object:
    if value is None:
        return ""
    if kind is Kind.TIME:
        return f"{(show_ms(int(value)) or '').replace(' ', 'T')}Z"
    return str(value).lower() if kind is Kind.FLAG else value
