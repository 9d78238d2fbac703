"""
What an importer gives: jobs as plain mappings, and what a person has to know of them.

An importer is a function from the texts of its files to ``Imported``. It refuses a file that is not what it should be
with places in it (``JobFileError``), and says of everything else that it cannot translate what became of it.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct


class Note(Struct, frozen=True):
    """``where`` leads to a key of the source; ``text`` says what became of it and, where there is, what to do."""

    where: str
    text: str

    def __str__(self) -> str:
        line = f"{self.where}: {self.text}".replace("\n", "\\n")
        return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line)


class ImportedJob(Struct, frozen=True, kw_only=True):
    """
    An entry under ``jobs:``: ``keys`` are those of the job file, strings in its notation (``$$`` is a dollar sign).

    What would not mean the same as in the source is not ``usable``: it is written as a comment.
    """

    name: str
    keys: Mapping[str, Any]
    notes: tuple[Note, ...] = ()
    usable: bool = True


class Imported(Struct, frozen=True, kw_only=True):
    """``origin`` is for people; ``agents`` are UUIDs by name; ``notes`` are those that belong to no job."""

    origin: str
    jobs: tuple[ImportedJob, ...]
    agents: Mapping[str, str] = {}
    notes: tuple[Note, ...] = ()

    def all_notes(self) -> tuple[Note, ...]:
        """Every note once, in the order of the jobs."""
        return tuple(dict.fromkeys([*self.notes, *(note for job in self.jobs for note in job.notes)]))
