"""What a format of exports is: it opens a file and takes rows, part by part, so that none need be in memory twice."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from msgspec import Raw


class Export(Protocol):
    """An open file."""

    def write(self, rows: Sequence[Raw]) -> None:
        """Add these rows, each the JSON that the server answered with ``detail``."""
        ...


OpenExport = Callable[[Path], AbstractContextManager[Export]]
"""Opens the file anew; raises ``ConfigError`` where what the format needs is not installed."""
