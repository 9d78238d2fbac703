"""Cronprobe, Prometheus and the dashboards together, on the example jobs."""

import math
import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.grafana.boards import queries, queries_of_marks
from tests.grafana.causes import open_causes
from tests.grafana.stack import ANSWER_S, CONFIGURATION, ROOT, Stack, open_stack, wait_until

SAMPLES_S = 60.0
DOCUMENTED = ROOT / "docs/metrics.md"
_OURS = re.compile(r"\b(?:cronprobe|probe)_[a-z_]+\b")

pytestmark = pytest.mark.external("prometheus")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    with open_causes(folder) as causes, open_stack(folder, causes.jobs) as stack:
        causes.make_mistakes(stack)
        yield stack


def promtool(*arguments: str, text: str = "") -> str:
    """What it complains of; empty when it is content."""
    done = subprocess.run(
        ["promtool", *arguments], input=text, capture_output=True, text=True, timeout=ANSWER_S, check=False
    )
    return "" if done.returncode == 0 and not done.stderr else done.stdout + done.stderr


def exported(page: str) -> set[str]:
    """The families of cronprobe itself; the library adds the time of creation to each of its counters."""
    names = re.findall(r"^# TYPE (\S+)", page, re.MULTILINE)
    return {name for name in names if _OURS.fullmatch(name) and not name.endswith("_created")}


def test_every_query_of_every_dashboard_finds_samples(stack: Stack) -> None:
    silent = list(queries())
    assert silent

    def all_speak() -> bool:
        silent[:] = [query for query in silent if not any(map(math.isfinite, stack.samples(query.text)))]
        return not silent

    assert wait_until(all_speak, SAMPLES_S), f"no samples after {SAMPLES_S:g} s: {silent}"


def test_every_mark_is_a_query_that_prometheus_takes(stack: Stack) -> None:
    for query in queries_of_marks():
        stack.samples(query.text)


def test_promtool_has_no_complaint_about_the_metrics(stack: Stack) -> None:
    assert promtool("check", "metrics", text=stack.metrics()) == ""


def test_the_documented_metrics_are_those_that_are_exported(stack: Stack) -> None:
    named = {re.sub(r"_(bucket|sum|count)$", "", name) for name in _OURS.findall(DOCUMENTED.read_text())}
    assert named == exported(stack.metrics())


def test_promtool_has_no_complaint_about_the_shipped_configuration() -> None:
    assert promtool("check", "config", str(CONFIGURATION)) == ""
