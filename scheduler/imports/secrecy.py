"""
Secrets of the source are never copied: a reference to the environment takes the place of each, and a note says so.

What is a secret is told by the names of headers, members and parameters. Text that holds references already is left
alone: whoever wrote it has moved the secret out. All texts here are in the job file's notation.
"""

import re
from typing import Any

from scheduler.imports.interface import Note

_SECRET = re.compile(r"(?i)authori[sz]ation|cookie|token|secret|passw|api[-_]?key|credential|bearer|x-auth|^key$|^sig$")
_SCHEME = re.compile(r"(?i)(?:basic|bearer|digest|token|apikey) +")
_REFERENCE = re.compile(r"\$\{(?:env|file):[^}]*\}")
_PASSWORD = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://[^/?#@:]*:)([^/?#@]+)(?=@)")
_PARAMETER = re.compile(r"(?<=[?&])([^=&#]+)=([^&#]+)")


def literal(value: Any) -> Any:
    """``value`` in the job file's notation, every string in it: a dollar sign is written twice."""
    match value:
        case str():
            return value.replace("$", "$$")
        case dict():
            return {key: literal(element) for key, element in value.items()}
        case list() | tuple():
            return [literal(element) for element in value]
        case _:
            return value


class Variables:
    """The variables that take the place of secrets, over one whole import: two secrets never share a name."""

    def __init__(self) -> None:
        self._held: dict[str, str] = {}

    def name(self, wanted: str, value: str) -> str:
        """The name of the variable for ``value``: like ``wanted``, with a number when another secret has that."""
        base = re.sub(r"[^A-Z0-9]+", "_", wanted.upper()).strip("_") or "SECRET"
        base = f"_{base}" if base[0].isdigit() else base
        name, number = base, 1
        while self._held.setdefault(name, value) != value:
            number += 1
            name = f"{base}_{number}"
        return name


class Veil:
    """Hides the secrets of one ``owner``, whose name begins those of the variables; notes go to ``notes``."""

    def __init__(self, owner: str, variables: Variables, notes: list[Note]) -> None:
        self._owner = owner
        self._variables = variables
        self._notes = notes

    def secret(self, what: str, value: str, where: str, advice: str = "it") -> str:
        """The reference for a secret; ``advice`` is what the variable has to hold."""
        name = self._variables.name(f"{self._owner}_{what}", value)
        self._notes.append(Note(where, f"a secret is not copied; put {advice} into the environment as {name}"))
        return f"${{env:{name}}}"

    def header(self, name: str, value: str, where: str) -> str:
        """A header's value; the scheme of an authorization stays."""
        if not _SECRET.search(name) or _REFERENCE.search(value):
            return value
        scheme = _SCHEME.match(value)
        start = scheme[0] if scheme else ""
        return start + self.secret(name, value, where, f"what follows '{start.strip()}'" if start else "it")

    def url(self, url: str, where: str) -> str:
        """A URL; its password and the parameters that name a secret are hidden."""

        def password(found: re.Match[str]) -> str:
            if _REFERENCE.search(found[2]):
                return found[0]
            return found[1] + self.secret("url_password", found[2], where, "the URL's password")

        def parameter(found: re.Match[str]) -> str:
            if not _SECRET.search(found[1]) or _REFERENCE.search(found[2]):
                return found[0]
            return f"{found[1]}={self.secret(found[1], found[2], where, f'the value of {found[1]}')}"

        return _PARAMETER.sub(parameter, _PASSWORD.sub(password, url))

    def text(self, what: str, value: str, where: str) -> str:
        """Text of any form, as a body: hidden as a whole when it speaks of a secret."""
        if not _SECRET.search(value) or _REFERENCE.search(value):
            return value
        return self.secret(what, value, where, f"the {what}")

    def arguments(self, values: list[str], where: str) -> list[str]:
        """Arguments of a program: those that speak of a secret, and those that follow such a flag."""
        hidden = []
        for place, value in enumerate(values):
            before = values[place - 1] if place else ""
            is_flag = value.startswith("-") and "=" not in value and " " not in value
            follows = before.startswith("-") and "=" not in before and _SECRET.search(before)
            if (follows or (_SECRET.search(value) and not is_flag)) and not _REFERENCE.search(value):
                value = self.secret(f"argument_{place + 1}", value, where, f"argument {place + 1}")
            hidden.append(value)
        return hidden
