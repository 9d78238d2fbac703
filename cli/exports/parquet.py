"""Apache Parquet by pyarrow, an extra: columns with types, times as timestamps in UTC, row groups of a usual size."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from msgspec import Raw

from cli.exports.columns import COLUMNS, Cell, Kind
from cli.exports.interface import Export
from cli.rows import read_row
from protocol.errors import ConfigError

_GROUP_ROWS = 50_000


class _Parquet:
    def __init__(self, pyarrow: Any, schema: Any, writer: Any) -> None:
        self._pyarrow = pyarrow
        self._schema = schema
        self._writer = writer
        self._columns: dict[str, list[Cell]] = {name: [] for name in COLUMNS}

    def write(self, rows: Sequence[Raw]) -> None:
        for row in map(read_row, rows):
            for name, (_, read) in COLUMNS.items():
                self._columns[name].append(read(row))
        if len(self._columns["task_id"]) >= _GROUP_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what waits as a row group."""
        if self._columns["task_id"]:
            self._writer.write_table(self._pyarrow.table(self._columns, schema=self._schema))
            self._columns = {name: [] for name in COLUMNS}


@contextmanager
def open_parquet(path: Path) -> Iterator[Export]:
    """See ``interface.OpenExport``."""
    try:
        pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as e:
        raise ConfigError("--format: parquet needs pyarrow; pip install 'cronprobe[parquet]'") from e
    types = {
        Kind.INTEGER: pyarrow.int64(),
        Kind.NUMBER: pyarrow.float64(),
        Kind.FLAG: pyarrow.bool_(),
        Kind.TEXT: pyarrow.string(),
        Kind.TIME: pyarrow.timestamp("ms", tz="UTC"),
    }
    schema = pyarrow.schema([(name, types[kind]) for name, (kind, _) in COLUMNS.items()])
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        export = _Parquet(pyarrow, schema, writer)
        yield export
        export.flush()
