"""A Gatus configuration as a job file: the text as a whole, and each form of a condition."""

from pathlib import Path
from typing import Any

import pytest

from scheduler.imports import IMPORTERS, File, job_file, open_source
from scheduler.jobfile import JobFileError, load

FIXTURES = Path(__file__).parents[1] / "imports"
AGENTS = "agents: {fra-1: {uuid: e8583352-39e8-5a5b-b66c-e450689088fd}}"


def expectations(condition: str) -> tuple[Any, list[str]]:
    """What a job for an endpoint with this condition expects, and the notes."""
    quoted = condition.replace("'", "''")
    text = f"endpoints: [{{name: a, url: 'https://a.example', conditions: ['{quoted}']}}]"
    found = IMPORTERS["gatus"](File("gatus.yml", text))
    return found.jobs[0].keys.get("expect"), [note.text for note in found.all_notes()]


def test_a_whole_configuration_becomes_this_job_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FIXTURES)
    found = IMPORTERS["gatus"](open_source(Path("gatus.yml")))
    assert job_file(found) == Path("gatus.jobs.yaml").read_text()
    assert "".join(f"{note}\n" for note in found.all_notes()) == Path("gatus.notes.txt").read_text()


def test_no_secret_of_the_source_is_copied() -> None:
    written = (FIXTURES / "gatus.jobs.yaml").read_text() + (FIXTURES / "gatus.notes.txt").read_text()
    assert "hunter2" not in written
    assert "s3cr3t" not in written


def test_endpoints_that_expect_nothing_more_are_jobs_that_load(tmp_path: Path) -> None:
    text = (
        "endpoints:\n- {name: a b, url: 'icmp://a.example', client: {timeout: 1500ms}}\n"
        "- {name: 'yes', url: 'tcp://a.example:22', interval: 1m30s, conditions: ['[CONNECTED] == true']}\n"
        "- {name: a/b, url: 8.8.8.8, dns: {query-name: a.example, query-type: AAAA}, enabled: no}\n"
    )
    found = IMPORTERS["gatus"](File("gatus.yml", text))
    file = tmp_path / "jobs.yaml"
    file.write_text(job_file(found).replace("agents: {}", AGENTS))
    jobs = load([file]).jobs
    assert [(job.name, job.schedule, job.timeout_ms, job.cells[0].type_name, job.enabled) for job in jobs] == [
        ("a-b", "@every 1m", 1_500, "ping", True),
        ("yes", "@every 90s", 10_000, "tcp_ping", True),
        ("a-b-2", "@every 1m", 10_000, "dns", False),
    ]
    assert found.all_notes() == ()


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("[STATUS] == 200", {"status": [200]}),
        ("[STATUS] == any(200, 429)", {"status": [200, 429]}),
        ("[STATUS] < 300", {"status": ["2xx"]}),
        ("[STATUS]<=399", {"status": ["2xx", "3xx"]}),
        ("[STATUS] >= 400", {"status": ["4xx", "5xx"]}),
        ("[STATUS] == pat(2*)", {"status": ["2xx"]}),
        ("[STATUS] != pat(5*)", {"status": ["2xx", "3xx", "4xx"]}),
        ("[STATUS] < 204", {"status": [200, 201, 202, 203]}),
        ("[RESPONSE_TIME] < 300", {"latency": {"fail": "300ms"}}),
        ("[RESPONSE_TIME] <= 2000", {"latency": {"fail": "2s"}}),
        ("[CERTIFICATE_EXPIRATION] > 48h", {"cert_valid_for": "48h"}),
        ("[BODY].status == UP", {"json": {"status": "UP"}}),
        ("[BODY].data[0].id == 1", {"json": {"data[0].id": 1}}),
        ("[BODY][0].up == true", {"json": {"[0].up": True}}),
        ("[BODY].a-b == 1.5", {"json": {'"a-b"': 1.5}}),
        ("[BODY].version == 007", {"json": {"version": "007"}}),
        ("[BODY].age >= 18", {"json": {"age >= `18`": True}}),
        ("[BODY] == OK", {"body_regex": r"\A(?:OK)\z"}),
        ("[BODY] == any(a.b, c)", {"body_regex": r"\A(?:a\.b|c)\z"}),
        ("[BODY] == pat(*<h1>Hi (5$$)</h1>*)", {"body_regex": r"<h1>Hi \(5\$$\)</h1>"}),
        ("[BODY] == pat(v?.*)", {"body_regex": r"(?s)\Av.\."}),
        ("[BODY] == pat(a*b)", {"body_regex": r"(?s)\Aa.*b\z"}),
        ("[BODY].name == $NAME", {"json": {"name": "${env:NAME}"}}),
        ("[CONNECTED] == true", None),
    ],
)
def test_a_condition_is_what_the_job_expects(condition: str, expected: Any) -> None:
    assert expectations(condition) == (expected, [])


@pytest.mark.parametrize(
    "condition",
    [
        "[STATUS] > 400",
        "[STATUS] == none",
        "[RESPONSE_TIME] > 5",
        "[BODY].name == pat(john*)",
        "[BODY].a == [BODY].b",
        "[BODY].a != 5",
        "[BODY] == pat(*[a]*)",
        "len([BODY].data) < 5",
        "has([BODY].errors) == false",
        "[IP] == 127.0.0.1",
        "[DOMAIN_EXPIRATION] > 720h",
        "nonsense",
    ],
)
def test_a_condition_that_no_job_can_expect_is_said(condition: str) -> None:
    assert expectations(condition) == (None, [f"a job cannot expect {condition}; left out"])


def test_conditions_on_the_status_have_all_to_hold() -> None:
    text = "endpoints: [{name: a, url: 'https://a', conditions: ['[STATUS] >= 200', '[STATUS] < 300']}]"
    [job] = IMPORTERS["gatus"](File("gatus.yml", text)).jobs
    assert job.keys["expect"] == {"status": ["2xx"]}


@pytest.mark.parametrize(
    ("written", "imported"),
    [("a$$b", "a$$b"), ("${A_1}x", "${env:A_1}x"), ("$A-x", "${env:A}-x"), ("5$", "5$$"), ("$ 5", "$$ 5")],
)
def test_the_environment_of_the_source_becomes_references(written: str, imported: str) -> None:
    text = f"endpoints: [{{name: a, url: 'https://a', method: POST, body: '{written}'}}]"
    [job] = IMPORTERS["gatus"](File("gatus.yml", text)).jobs
    assert job.keys["task"]["http_request"]["body"] == imported


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("", ["gatus.yml:1:1: file: has no key 'endpoints'; is it a Gatus configuration?"]),
        ("endpoints: a", ["gatus.yml:1:1: endpoints: is not a list; want one"]),
        (
            "endpoints:\n- {url: a}\n- {name: a, url: 'http://a', enabled: maybe}\n- {name: a, url: a, interval: x}\n",
            [
                "gatus.yml:2:3: endpoints[0]: 'name' is missing; add it",
                "gatus.yml:3:30: endpoints[1].enabled: found 'maybe'; want true or false",
                "gatus.yml:4:21: endpoints[2].interval: is no duration; want a form like 15s, 1m30s or 2h",
            ],
        ),
    ],
)
def test_a_file_that_is_something_else_is_a_mistake_with_its_place(text: str, mistakes: list[str]) -> None:
    with pytest.raises(JobFileError) as caught:
        IMPORTERS["gatus"](File("gatus.yml", text))
    assert str(caught.value).splitlines() == mistakes
