"""rich's door: what a person sees. Colours only on a terminal, by rich's own rule."""

import csv
import os
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum

from rich.console import Console
from rich.table import Table
from rich.text import Text


class Output(StrEnum):
    """The form of a listing."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class FileOutput(StrEnum):
    """The form of what is said of job files."""

    TEXT = "text"
    JSON = "json"


class YamlOutput(StrEnum):
    """The form of a job file."""

    YAML = "yaml"
    JSON = "json"


class OutputClosed(Exception):
    """Who reads our output has seen enough, as ``head`` has: a reason to end, and no failure."""


class _Screen(Console):
    def on_broken_pipe(self) -> None:
        """Nothing more can be written, not even what is flushed at the end."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputClosed


_WIDE = 1_000
"""Columns where no terminal is: another program reads, and lines must not be folded for it."""

console = _Screen(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _WIDE)


def show(columns: Sequence[str], rows: Iterable[Sequence[object]], output: Output) -> None:
    """Write a listing as a table or CSV; ``None`` in a cell is empty."""
    if output is Output.CSV:
        writer = csv.writer(sys.stdout)
        writer.writerow(columns)
        writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else printable(str(cell))) for cell in row))
    console.print(table)


def printable(text: str) -> str:
    """Text that came from outside, without what could steer a terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
