"""
YAML's door: job files to a ``JobFile``, or every mistake in them with its place.

``files`` finds the text, ``tree`` makes nodes with places of it, ``references`` finds what stands behind ``${…}``.
``keys`` is the table of a job's keys; ``values``, ``tasks``, ``expectations`` and ``calendar`` read single nodes,
``matrix`` and ``agents`` multiply, ``job`` and ``build`` put together, ``mistakes`` collects. Nothing outside this room
knows YAML.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from scheduler.jobfile.build import build
from scheduler.jobfile.files import read_files
from scheduler.jobfile.mistakes import JobFileError, Mistake, Mistakes, Place
from scheduler.jobfile.references import References, state_of_files
from scheduler.jobfile.tree import read_tree
from scheduler.jobs import JobFile

__all__ = ["JobFileError", "Mistake", "Place", "fingerprint", "load"]


def fingerprint(paths: Sequence[Path]) -> bytes:
    """
    What tells one state of the files, and of those that they refer to, from another.

    Why one cannot be read is a part of it.
    """
    digest = hashlib.sha256()
    mistakes = Mistakes({})
    for file in read_files(paths, mistakes):
        if file is not None:
            digest.update(f"{file.name}\0{file.text}\0".encode())
            for state in state_of_files(file.text, file.name):
                digest.update(state)
    digest.update("\0".join(str(mistake) for mistake in mistakes).encode(errors="replace"))
    return digest.digest()


def load(paths: Sequence[Path]) -> JobFile:
    """
    What the job files at ``paths``, at least one, declare; of a directory every ``*.yaml`` and ``*.yml``, merged.

    Raises:
        JobFileError: there are mistakes; it has all of them.
    """
    references = References(os.environ)
    mistakes = Mistakes(references.found)
    files = read_files(paths, mistakes)
    trees = [
        None if file is None else mistakes.attempt(lambda f: read_tree(f, references, mistakes), file) for file in files
    ]
    documents = [document for document in trees if document is not None]
    job_file = build(documents, mistakes, complete=len(documents) == len(trees))
    mistakes.raise_any()
    return job_file
