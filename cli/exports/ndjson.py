"""A row of the protocol on each line, to the letter."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from msgspec import Raw

from cli.exports.interface import Export


class _Ndjson:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, rows: Sequence[Raw]) -> None:
        self._file.writelines(bytes(row) + b"\n" for row in rows)


@contextmanager
def open_ndjson(path: Path) -> Iterator[Export]:
    """See ``interface.OpenExport``."""
    with path.open("wb") as file:
        yield _Ndjson(file)
