"""The recorded cases of ``tests/vectors``: each group as parameters whose ids the terminal summary counts."""

import json
from pathlib import Path
from typing import Any

import pytest

_DIRECTORY = Path(__file__).parent / "vectors"


def vectors(group: str, *, kind: str | None = None) -> pytest.MarkDecorator:
    """Parametrise ``case`` over the group; ``kind`` chooses among the kinds of case that a group mixes."""
    cases: list[dict[str, Any]] = json.loads((_DIRECTORY / f"{group}.json").read_text())
    chosen = [(place, case) for place, case in enumerate(cases) if kind is None or case.get("kind") == kind]
    return pytest.mark.parametrize("case", [pytest.param(case, id=f"vector:{group}:{place}") for place, case in chosen])
