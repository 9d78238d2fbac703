"""The README keeps up with the command."""

import re
from pathlib import Path

import pytest

from cli import VERBS

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_stands_in_the_readme(verb: str) -> None:
    assert re.search(rf"`cronprobe {verb}\b", README.read_text())
