"""The page on deployment says what the files that it is about say."""

import re

from tests.processes import ROOT_DIRECTORY

PAGE = (ROOT_DIRECTORY / "docs/deployment.md").read_text()
DEPLOY = ROOT_DIRECTORY / "deploy"


def test_every_file_that_it_names_is_there() -> None:
    named = set(re.findall(r"\bdeploy/[\w./*-]+[\w/]", PAGE))
    assert len(named) > 5
    assert [path for path in named if not list(ROOT_DIRECTORY.glob(path.rstrip("/")))] == []


def test_its_agents_are_those_of_the_job_files() -> None:
    uuids = re.findall(r"--agent ([0-9a-f-]{36})", PAGE)
    files = (ROOT_DIRECTORY / "jobs.example.yaml", DEPLOY / "kubernetes/jobs.yaml")
    assert [uuid in file.read_text() for uuid, file in zip(uuids, files, strict=True)] == [True, True]


def test_its_passwords_are_made_as_the_example_says() -> None:
    [command] = re.findall(r"^awk .*$", PAGE, re.MULTILINE)
    assert f"#   {command}\n" in (DEPLOY / ".env.example").read_text()
