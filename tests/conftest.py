"""What all tests share: the ledger of recorded cases at the end of a run."""

import re
from collections import Counter

from pytest import TerminalReporter


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    ran: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            found = re.search(r"vector:(\w+):", report.nodeid)
            if found:
                ran[found[1]] += 1
                passed[found[1]] += outcome == "passed"
    if ran:
        terminalreporter.section("recorded cases")
        for group, count in sorted(ran.items()):
            terminalreporter.line(f"{group:24} {passed[group]:4} of {count}")
