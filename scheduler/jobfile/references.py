"""
References in string values: ``${env:NAME}``, ``${env:NAME:-default}``, ``${file:PATH}`` and ``${key}`` of a matrix.

The first three are secrets from here on: their values are kept apart, and whatever is shown to people shows the
reference. ``$$`` is a dollar sign, and so is one that no ``{`` or ``$`` follows.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from scheduler.jobfile.files import is_readable_to_its_end

MAX_FILE_BYTES = 64 * 1024
_FORM = re.compile(r"\$(\$|\{(?P<inside>[^{}]*)\}|\{)")
_OF_FILE = re.compile(r"\$\{file:(?P<name>[^{}]*)\}")
_ENV = re.compile(r"env:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(:-(?P<default>.*))?", re.DOTALL)
MATRIX_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_WANT = "want ${env:NAME}, ${env:NAME:-default}, ${file:PATH} or a key of the matrix; a dollar sign itself is $$"


class Secret(Struct, frozen=True):
    """A reference as it is written, and what it stands for."""

    reference: str
    value: str


class Key(Struct, frozen=True):
    """A key of the matrix."""

    name: str


Part = str | Secret | Key


class References:
    """Resolves references against ``environment``; files are looked for beside the job file."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.found: dict[str, str] = {}
        """The values by reference, of all that were resolved."""

    def parts(self, text: str, job_file: str) -> tuple[Part, ...]:
        """
        What ``text`` consists of.

        Raises:
            ValueError: a reference is none, or leads nowhere; the message says what to do.
        """
        parts: list[Part] = []
        end = 0
        for match in _FORM.finditer(text):
            parts.append(text[end : match.start()])
            end = match.end()
            if match[0] == "$$":
                parts.append("$")
            elif match["inside"] is None:
                raise ValueError(f"found '${{' without its '}}'; {_WANT}")
            else:
                parts.append(self._part(match["inside"], job_file))
        parts.append(text[end:])
        return tuple(part for part in parts if part != "")

    def _part(self, inside: str, job_file: str) -> Part:
        if inside.startswith("env:"):
            value = self._of_environment(inside)
        elif inside.startswith("file:"):
            value = _of_file(inside.removeprefix("file:"), job_file)
        elif MATRIX_KEY.fullmatch(inside):
            return Key(inside)
        else:
            raise ValueError(f"found '${{{inside}}}'; {_WANT}")
        if not _is_unicode(value):
            raise ValueError(f"the value of '${{{inside}}}' is not UTF-8; correct it")
        self.found[f"${{{inside}}}"] = value
        return Secret(f"${{{inside}}}", value)

    def _of_environment(self, inside: str) -> str:
        match = _ENV.fullmatch(inside)
        if match is None:
            raise ValueError(f"found '${{{inside}}}'; {_WANT}")
        value = self._environment.get(match["name"]) or match["default"]
        if value is None:
            name = match["name"]
            raise ValueError(f"the environment has no {name}; set it, or write ${{env:{name}:-default}}")
        return value


def _is_unicode(value: str) -> bool:
    """Whether an environment variable held UTF-8: Python keeps other bytes as surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in value)


def state_of_files(text: str, job_file: str) -> Iterator[bytes]:
    """What tells one state of the files that ``text`` names from another: their content, or why there is none."""
    for match in _OF_FILE.finditer(text):
        try:
            yield _content(_path(match["name"], job_file))
        except (OSError, ValueError) as e:
            yield str(e).encode(errors="replace")


def _path(name: str, job_file: str) -> Path:
    return Path(job_file).parent / Path(name).expanduser()


def _content(path: Path) -> bytes:
    if not is_readable_to_its_end(path):
        raise ValueError("no regular file")
    with path.open("rb") as file:
        return file.read(MAX_FILE_BYTES + 1)


def _of_file(name: str, job_file: str) -> str:
    path = _path(name, job_file)
    try:
        content = _content(path)
    except (OSError, ValueError) as e:
        why = os.strerror(e.errno) if isinstance(e, OSError) and e.errno else str(e)
        raise ValueError(f"the file '{path}' cannot be read ({why}); check the path and its permissions") from e
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"the file '{path}' is larger than 64 KiB; a value should be shorter")
    try:
        return content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as e:
        raise ValueError(f"the file '{path}' is not UTF-8; save it in that encoding") from e
