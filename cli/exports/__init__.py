"""
All rows that match, in a file of some format. A new format is its file with an ``OpenExport`` and its line in
``FORMATS``, by the ending of its files.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from msgspec import Raw

from cli.exports.comma import open_comma
from cli.exports.interface import OpenExport
from cli.exports.ndjson import open_ndjson
from cli.exports.parquet import open_parquet
from protocol.errors import ConfigError


class Format(StrEnum):
    """Of an export."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


FORMATS: dict[Format, OpenExport] = {
    Format.CSV: open_comma,
    Format.NDJSON: open_ndjson,
    Format.PARQUET: open_parquet,
}


def format_of(path: Path, given: Format | None) -> Format:
    """
    The format that is ``given``, else that of the file's ending.

    Raises:
        ConfigError: the ending is none of ours.
    """
    if given is not None:
        return given
    ending = path.suffix.removeprefix(".")
    if ending not in list(Format):
        raise ConfigError(f"--export: {path} ends with no format; want .{', .'.join(Format)}, or give --format")
    return Format(ending)


def export(
    pages: Iterable[Sequence[Raw]], path: Path, form: Format, *, force: bool, on_rows: Callable[[int], None]
) -> None:
    """
    Write the pages; the file has its name once it is whole. ``on_rows`` hears how many rows were written.

    Raises:
        ConfigError: the file exists and ``force`` is not given, or it cannot be written.
    """
    if path.exists() and not force:
        raise ConfigError(f"{path}: exists already; give another name, or --force to write over it")
    with _whole(path) as part, FORMATS[form](part) as file:
        for rows in pages:
            file.write(rows)
            on_rows(len(rows))


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A place to write to beside the file, which takes its name in the end, or is gone."""
    part = path.with_name(f"{path.name}.part")
    try:
        yield part
        part.replace(path)
    except OSError as e:
        raise ConfigError(f"{path}: cannot be written ({e.strerror}); choose another place") from e
    finally:
        part.unlink(missing_ok=True)
