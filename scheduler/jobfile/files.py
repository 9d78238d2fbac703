"""The files behind the paths that were given, as text. One that cannot be read is a mistake like any other."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from scheduler.jobfile.mistakes import Mistake, Mistaken, Mistakes, Place

MAX_BYTES = 10 * 1024 * 1024
SUFFIXES = (".yaml", ".yml")


class File(Struct, frozen=True):
    """A file's text, and its name as messages show it."""

    name: str
    text: str


def read_files(paths: Sequence[Path], mistakes: Mistakes) -> list[File | None]:
    """Every file, ``None`` for what could not be read; a directory stands for its YAML files in name order."""
    files: list[File | None] = []
    for path in paths:
        found = mistakes.attempt(_files, path)
        files += [None] if found is None else [mistakes.attempt(_read, file) for file in found]
    return files


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    try:
        files = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and not file.is_dir())
    except OSError as e:
        raise _unusable(path, f"cannot be read ({e.strerror}); check it and its permissions") from e
    if not files:
        raise _unusable(path, "the directory has no *.yaml or *.yml; add one")
    return files


def is_readable_to_its_end(path: Path) -> bool:
    """
    Whether reading it ends: a named pipe would wait for whoever writes. Those of a shell, below /dev, have a writer.

    Raises:
        OSError: it cannot be looked at.
    """
    return stat.S_ISREG(path.stat().st_mode) or path.is_relative_to("/dev")


def _read(path: Path) -> File:
    try:
        if not is_readable_to_its_end(path):
            raise _unusable(path, "is no regular file; put one there")
        with path.open("rb") as file:
            opened = os.fstat(file.fileno())
            content = file.read(MAX_BYTES + 1)
            ended = os.fstat(file.fileno())
    except FileNotFoundError as e:
        raise _unusable(path, "there is no such file; check the path") from e
    except OSError as e:
        raise _unusable(path, f"cannot be read ({e.strerror}); check it and its permissions") from e
    if len(content) > MAX_BYTES:
        raise _unusable(path, "is larger than 10 MiB; split it over several files of a directory")
    if (opened.st_mtime_ns, opened.st_size) != (ended.st_mtime_ns, ended.st_size):
        raise _unusable(
            path, "was written to while it was read; load it again, and put a new file in its place to write"
        )
    try:
        return File(str(path), content.decode("utf-8-sig"))
    except UnicodeDecodeError as e:
        before = content[: e.start].decode(errors="replace")
        place = Place(str(path), before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise Mistaken(Mistake(place, "file", "is not UTF-8; save it in that encoding")) from e


def _unusable(path: Path, text: str) -> Mistaken:
    return Mistaken(Mistake(Place(str(path)), "file", text))
