"""A blackbox_exporter and its Prometheus as a job file: the text as a whole, and what is said beside it."""

from pathlib import Path

import pytest

from scheduler.imports import IMPORTERS, job_file, open_source
from scheduler.jobfile import JobFileError, load

FIXTURES = Path(__file__).parents[1] / "imports"
AGENTS = "agents: {fra-1: {uuid: e8583352-39e8-5a5b-b66c-e450689088fd}}"
STANDARD = (
    "    relabel_configs:\n"
    "      - {source_labels: [__address__], target_label: __param_target}\n"
    "      - {source_labels: [__param_target], target_label: instance}\n"
    "      - {target_label: __address__, replacement: '127.0.0.1:9115'}\n"
)
ICMP = "modules: {icmp: {prober: icmp}}\n"


def scrape(name: str, rest: str = STANDARD, *, module: str = "icmp", target: str = "a.example") -> str:
    return (
        f"  - job_name: {name}\n    metrics_path: /probe\n    params: {{module: [{module}]}}\n"
        f"    static_configs: [{{targets: ['{target}']}}]\n{rest}"
    )


def imported(directory: Path, modules: str, scrapes: str) -> tuple[str, list[str]]:
    config, prometheus = directory / "blackbox.yml", directory / "prometheus.yml"
    config.write_text(modules)
    prometheus.write_text(scrapes)
    found = IMPORTERS["blackbox"](open_source(config), open_source(prometheus))
    return job_file(found), [str(note).replace(f"{directory}/", "") for note in found.all_notes()]


def test_a_whole_configuration_becomes_this_job_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FIXTURES)
    found = IMPORTERS["blackbox"](open_source(Path("blackbox.yml")), open_source(Path("prometheus.yml")))
    assert job_file(found) == Path("blackbox.jobs.yaml").read_text()
    assert "".join(f"{note}\n" for note in found.all_notes()) == Path("blackbox.notes.txt").read_text()


def test_no_secret_of_the_source_is_copied() -> None:
    written = (FIXTURES / "blackbox.jobs.yaml").read_text() + (FIXTURES / "blackbox.notes.txt").read_text()
    assert "hunter2" not in written
    assert "s3cr3t" not in written


def test_pings_are_jobs_that_load_once_there_are_agents(tmp_path: Path) -> None:
    text, notes = imported(tmp_path, ICMP, "scrape_configs:\n" + scrape("a") + scrape("a", target="b.example"))
    file = tmp_path / "jobs.yaml"
    file.write_text(text.replace("agents: {}", AGENTS))
    jobs = load([file]).jobs
    assert [(job.name, job.schedule, job.cells[0].target) for job in jobs] == [
        ("a", "@every 1m", "a.example"),
        ("a-2", "@every 1m", "b.example"),
    ]
    assert notes == []


@pytest.mark.parametrize(
    ("rest", "note"),
    [
        (
            STANDARD + "      - {source_labels: [__address__], regex: 'x.*', action: drop}\n",
            "prometheus.yml:10:9: scrape_configs[0].relabel_configs[3]: this relabelling may change what is probed; "
            "write the job by hand",
        ),
        (
            STANDARD + "      - {source_labels: [module], target_label: __param_module}\n",
            "prometheus.yml:10:9: scrape_configs[0].relabel_configs[3]: this relabelling may change what is probed; "
            "write the job by hand",
        ),
        (
            "",
            "prometheus.yml:2:5: scrape_configs[0]: no rule makes the address the parameter target, so "
            "what is probed is not known; write the job by hand",
        ),
    ],
)
def test_relabelling_that_may_change_the_target_leaves_the_job_commented_out(
    tmp_path: Path, rest: str, note: str
) -> None:
    text, notes = imported(tmp_path, ICMP, "scrape_configs:\n" + scrape("a", rest))
    assert notes == [note]
    assert "\njobs: {}\n" in text
    assert "\n  # a:\n  #   schedule: '@every 1m'\n" in text


def test_a_rule_for_another_label_only_loses_the_label(tmp_path: Path) -> None:
    rule = "      - {target_label: site, replacement: a}\n"
    text, notes = imported(tmp_path, ICMP, "scrape_configs:\n" + scrape("a", STANDARD + rule))
    assert notes == [
        "prometheus.yml:10:9: scrape_configs[0].relabel_configs[3]: the label site is left out; give the job a label "
        "of its own"
    ]
    assert "\n  a:\n" in text


def test_the_standard_rules_may_be_written_out(tmp_path: Path) -> None:
    rules = STANDARD.replace(
        "target_label: __param_target", "regex: '(.*)', target_label: __param_target, replacement: $1"
    )
    assert rules != STANDARD
    text, notes = imported(tmp_path, ICMP, "scrape_configs:\n" + scrape("a", rules))
    assert "\n  a:\n" in text
    assert notes == []


def test_two_secrets_never_share_a_variable(tmp_path: Path) -> None:
    modules = (
        "modules:\n  a.b: {prober: http, http: {bearer_token: one}}\n  a-b: {prober: http, http: {bearer_token: two}}\n"
    )
    scrapes = "scrape_configs:\n" + scrape("a", module="a.b") + scrape("b", module="a-b")
    text, _ = imported(tmp_path, modules, scrapes)
    assert "Bearer ${env:A_B_TOKEN}'" in text
    assert "Bearer ${env:A_B_TOKEN_2}'" in text


def test_a_token_in_a_file_stays_in_the_file(tmp_path: Path) -> None:
    modules = "modules: {m: {prober: http, http: {authorization: {credentials_file: /etc/token}}}}\n"
    text, notes = imported(tmp_path, modules, "scrape_configs:\n" + scrape("a", module="m", target="https://a.example"))
    assert "headers: {authorization: 'Bearer ${file:/etc/token}'}" in text
    assert notes == []


def test_durations_out_of_bounds_are_brought_within_and_noted(tmp_path: Path) -> None:
    rest = "    scrape_interval: 500ms\n    scrape_timeout: 10ms\n" + STANDARD
    text, notes = imported(tmp_path, ICMP, "scrape_configs:\n" + scrape("a", rest))
    assert "schedule: '@every 1s'" in text
    assert "timeout: 100ms" in text
    assert notes == [
        "prometheus.yml:2:5: scrape_configs[0]: 500ms is out of bounds here; 1s takes its place",
        "prometheus.yml:2:5: scrape_configs[0]: 10ms is out of bounds here; 100ms takes its place",
    ]


@pytest.mark.parametrize(
    ("modules", "scrapes", "mistake"),
    [
        ("modules: {", "scrape_configs: []\n", "blackbox.yml:2:1: file: is not YAML: "),
        ("jobs: {}\n", "scrape_configs: []\n", "blackbox.yml:1:1: file: has no key 'modules'; is it the right file?"),
        (ICMP, "- a\n", "prometheus.yml:1:1: file: has no key 'scrape_configs'; is it the right file?"),
        (ICMP, "scrape_configs: 5\n", "prometheus.yml:1:1: scrape_configs: is not a list; want one"),
        (
            ICMP,
            "scrape_configs: [{metrics_path: /probe}]\n",
            "prometheus.yml:1:18: scrape_configs[0]: 'job_name' is missing; add it",
        ),
        (
            "modules: {m: {prober: http, timeout: soon}}\n",
            "scrape_configs: []\n",
            "blackbox.yml:1:29: modules.m.timeout: is no duration; want a form like 15s, 1m30s or 2h",
        ),
        (
            "modules: {m: {prober: http, http: {valid_status_codes: [2xx]}}}\n",
            "scrape_configs: []\n",
            "blackbox.yml:1:57: modules.m.http.valid_status_codes[0]: is no whole number; want one",
        ),
    ],
)
def test_a_file_that_is_something_else_is_a_mistake_with_its_place(
    tmp_path: Path, modules: str, scrapes: str, mistake: str
) -> None:
    with pytest.raises(JobFileError) as caught:
        imported(tmp_path, modules, scrapes)
    assert str(caught.value).replace(f"{tmp_path}/", "").startswith(mistake)
