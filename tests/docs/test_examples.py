"""The examples of the pages are accepted by the programs that they are written for."""

import json
import re
from pathlib import Path

import pytest
import structlog
import yaml
from jsonschema import Draft202012Validator

from agent.config import load as load_agent
from scheduler.jobfile import JobFileError
from scheduler.jobfile import load as load_jobs
from scheduler.jobfile.schema import schema

ROOT = Path(__file__).parents[2]
JOB_FILE = (ROOT / "docs/job-file.md").read_text()


def test_the_example_of_an_agents_file_is_accepted_without_a_warning() -> None:
    with structlog.testing.capture_logs() as logs:
        load_agent(ROOT / "docs/agent.example.toml")
    assert logs == []


def test_the_example_of_a_job_file_is_accepted(tmp_path: Path) -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/job-file.md").read_text(), re.DOTALL)
    file = tmp_path / "jobs.yaml"
    file.write_text(example)
    assert [job.name for job in load_jobs([file]).jobs] == ["edge-ping", "daily-check"]


def test_seven_mistakes_are_told_as_the_page_shows_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [broken] = re.findall(r"```yml\n(.*?)```", JOB_FILE, re.DOTALL)
    [shown] = re.findall(r"```console\n\$ cronprobe check jobs.yaml\n(.*?)```", JOB_FILE, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHECK_TOKEN", raising=False)
    Path("jobs.yaml").write_text(broken)
    with pytest.raises(JobFileError) as caught:
        load_jobs([Path("jobs.yaml")])
    assert len(caught.value.mistakes) == 7
    assert str(caught.value) + "\n" == shown


def test_the_schema_in_the_repository_is_fresh() -> None:
    """After a change: ``cronprobe schema > jobs.schema.json``."""
    kept = json.loads((ROOT / "jobs.schema.json").read_text())
    assert kept == json.loads(json.dumps(schema()))
    for example in (ROOT / "jobs.example.yaml").read_text(), *re.findall(r"```yaml\n(.*?)```", JOB_FILE, re.DOTALL):
        assert list(Draft202012Validator(kept).iter_errors(yaml.safe_load(example))) == []


def test_links_between_the_pages_lead_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())]
    assert links
    assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []


def test_every_series_and_alert_that_rules_make_is_documented() -> None:
    page = (ROOT / "docs/rules.md").read_text()
    documents = [yaml.safe_load(file.read_text()) for file in (ROOT / "deploy/prometheus/rules").glob("*.yml")]
    rules = [rule for document in documents for group in document["groups"] for rule in group["rules"]]
    names = {rule.get("alert") or rule["record"] for rule in rules}
    stems = {re.sub(r":p\d+$|(?<=ratio_rate)(?!5m)\w+$", "", name) for name in names}
    assert [stem for stem in sorted(stems) if f"`{stem}" not in page] == []
    assert set(re.findall(r"^\| `(Cronprobe\w+)`", page, re.MULTILINE)) == {name for name in names if name[0] == "C"}
