"""A real server on a port of the system's choice, and callers of its pages."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from tests.server.rig import OpenRig, Rig, open_rig_in


@pytest.fixture
def open_rig(tmp_path: Path) -> OpenRig:
    return partial(open_rig_in, tmp_path)


@pytest.fixture
async def rig(open_rig: OpenRig) -> AsyncIterator[Rig]:
    async with open_rig() as rig:
        yield rig
