"""A database for each test of a store that needs one."""

from pathlib import Path

import pytest

from tests.contract.stores import POSTGRES_URL


@pytest.fixture(autouse=True)
def _database(request: pytest.FixtureRequest) -> None:
    """For tests of the kind ``postgresql``: the URL of a database of its own in the test's directory."""
    if "kind" in request.fixturenames and request.getfixturevalue("kind") == "postgresql":
        folder: Path = request.getfixturevalue("tmp_path")
        cluster = request.getfixturevalue("postgres")
        (folder / POSTGRES_URL).write_text(cluster.url(cluster.new_database()))
