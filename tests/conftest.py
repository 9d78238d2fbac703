"""What all tests share: the ledger of recorded cases at the end of a run, and one PostgreSQL."""

import re
from collections.abc import Iterator

import pytest

from tests.externals import pytest_runtest_setup as pytest_runtest_setup
from tests.postgres import Cluster, Database, open_cluster


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL for whoever asks; the test is marked ``external("postgres")``."""
    with open_cluster() as cluster:
        yield cluster


@pytest.fixture
def database(postgres: Cluster) -> Database:
    """A database of the test's own, with the tables made."""
    return Database(postgres, postgres.new_database())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    cases: dict[str, dict[str, bool]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            found = re.search(r"vector:(\w+):(\d+)", report.nodeid)
            if found:
                group = cases.setdefault(found[1], {})
                group[found[2]] = group.get(found[2], True) and outcome == "passed"
    if cases:
        terminalreporter.section("recorded cases")
        for name, group in sorted(cases.items()):
            terminalreporter.line(f"{name:24} {sum(group.values()):4} of {len(group)} hold")
