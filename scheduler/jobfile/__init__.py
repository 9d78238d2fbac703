"""
YAML's door: job files to a ``JobFile``, or every mistake in them with its place.

``files`` finds the text, ``tree`` makes nodes with places of it, ``values`` and ``tasks`` read single nodes, ``build``
knows the keys, ``mistakes`` collects. Nothing outside this room knows YAML.
"""

from collections.abc import Sequence
from pathlib import Path

from scheduler.jobfile.build import build
from scheduler.jobfile.files import read_files
from scheduler.jobfile.mistakes import JobFileError, Mistake, Mistakes, Place
from scheduler.jobfile.tree import read_tree
from scheduler.jobs import JobFile

__all__ = ["JobFileError", "Mistake", "Place", "load"]


def load(paths: Sequence[Path]) -> JobFile:
    """
    What the job files declare; of a directory every ``*.yaml`` and ``*.yml``, merged.

    Raises:
        JobFileError: there are mistakes; it has all of them.
    """
    mistakes = Mistakes()
    files = list(read_files(paths, mistakes))
    trees = [mistakes.attempt(lambda file: read_tree(file, mistakes), file) for file in files]
    documents = [tree for tree in trees if tree is not None]
    complete = ...
