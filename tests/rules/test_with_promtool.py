"""Prometheus's own tool takes the rules, and its tests find them to ring when they should and not otherwise."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from scheduler.jobfile import load
from scheduler.jobs import JobFile
from scheduler.rules.cases import cases
from server.metrics.stats import LATENCY_BOUNDS
from tests.processes import ROOT_DIRECTORY, say
from tests.rules.prometheus import promtool
from tests.rules.texts import case, complaints, expected, job_file, rules_named, rules_of

RICH = Path(__file__).parent / "rich.jobs.yaml"
EXAMPLE = ROOT_DIRECTORY / "jobs.example.yaml"
SHIPPED = ROOT_DIRECTORY / "deploy/prometheus/rules"
OBJECTIVE = "slo: {objective: 99.9, window: 30d}"
FIRING = 'sum by (alertname, severity) (ALERTS{alertstate="firing"})'
FAST = '{alertname="CronprobeSloBurnFast", severity="page"}'
SLOW = '{alertname="CronprobeSloBurnSlow", severity="ticket"}'

pytestmark = pytest.mark.external("prometheus")


@pytest.mark.parametrize("file", [RICH, EXAMPLE], ids=["rich", "example"])
async def test_what_the_command_prints_is_taken_and_passes_its_own_cases(file: Path, tmp_path: Path) -> None:
    for flags, name in (((), "rules.yml"), (("--tests",), "rules.test.yml")):
        code, said = await say("rules", file, *flags, directory=tmp_path)
        assert code == 0
        (tmp_path / name).write_text(said)
    assert promtool("check", "rules", tmp_path / "rules.yml") == ""
    assert promtool("test", "rules", tmp_path / "rules.test.yml") == ""
    code, said = await say("rules", file, "-o", "json", directory=tmp_path)
    assert json.loads(said) == yaml.safe_load((tmp_path / "rules.yml").read_text())


async def test_the_shipped_rules_are_fresh(tmp_path: Path) -> None:
    """After a change: see docs/rules.md for the commands."""
    for arguments, name in (((), "cronprobe.yml"), ((EXAMPLE, "--no-self"), "jobs.example.yml")):
        code, said = await say("rules", *arguments, directory=tmp_path)
        assert code == 0
        assert (SHIPPED / name).read_text() == said
        assert promtool("check", "rules", SHIPPED / name) == ""


async def test_rules_of_nothing_at_all_are_refused(tmp_path: Path) -> None:
    code, said = await say("rules", "--no-self", directory=tmp_path)
    assert (code, said) == (2, "cronprobe: FILE: is missing; name job files, or leave out --no-self\n")


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("unless on (cron_source) cronprobe_job_in_maintenance", "unless on (cron_source) absent_metric"),
        ("probe_success", "probe_succes"),
        ("> 6 * 0.001", "> 9 * 0.001"),
        ("> 130", "> 300"),
        ('for": "2m"', 'for": "9m"'),
        ("cronprobe_store_up == 0", "cronprobe_store_up == 2"),
        ('le=\\"0.25\\"', 'le=\\"0.1\\"'),
    ],
)
def test_the_cases_find_a_rule_that_was_changed(text: str, other: str, tmp_path: Path) -> None:
    loaded = load([RICH])
    edge = JobFile(jobs=loaded.jobs[:1], agents=loaded.agents)
    rules = json.dumps(rules_of(edge, with_itself=True))
    assert text in rules
    (tmp_path / "rules.yml").write_text(rules.replace(text, other))
    (tmp_path / "rules.test.yml").write_text(json.dumps(cases(edge, bounds=LATENCY_BOUNDS)))
    assert "FAILED" in promtool("test", "rules", tmp_path / "rules.test.yml")


def runs(outcome: str, job: str = "a", agent: str = "fra-1") -> str:
    labels = f'cron_source="{job}",agent="{agent}",type="ping",target="127.0.0.1",outcome="{outcome}"'
    return f"cronprobe_runs_total{{{labels}}}"


def bucket(bound: str) -> str:
    return runs(bound).replace("runs_total", "latency_seconds_bucket").replace("outcome", "le")


def test_ratios_latency_and_coverage_are_what_was_counted(tmp_path: Path) -> None:
    document = rules_of(job_file(tmp_path, f'a: {{schedule: "@every 5s", {OBJECTIVE}}}'))
    inputs = {
        runs("ok"): "0+90x60",
        runs("failed"): "0+10x60",
        runs("unknown"): "0+25x60",
        bucket("0.1"): "0+45x60",
        bucket("0.2"): "0+90x60",
        bucket("+Inf"): "0+90x60",
    }
    a = '{cron_source="a"}'
    values = {
        "probe_success:ratio": 0.9,
        "cronprobe_coverage:ratio": 0.8,
        "cronprobe_latency_seconds:p50": 0.1,
        "cronprobe_slo_objective:ratio": 0.999,
        "cronprobe_slo_errors:ratio_rate1h": 0.1,
        "cronprobe_slo_error_budget_remaining:ratio": -99,
    }
    checks = [expected(f"round(cron_source:{name}, 0.0001)", "60m", (a, value)) for name, value in values.items()]
    assert complaints(tmp_path, document, case(inputs, *checks)) == ""


def test_a_job_that_measured_nothing_has_no_ratios(tmp_path: Path) -> None:
    document = rules_of(job_file(tmp_path, f'a: {{schedule: "@every 5s", {OBJECTIVE}}}'))
    query = 'count({__name__=~"cron_source:.*", __name__!~".*objective.*|.*coverage.*"})'
    inputs = {runs("ok"): "0x30", runs("failed"): "0x30", runs("unknown"): "0+9x30"}
    coverage = "cron_source:cronprobe_coverage:ratio"
    checks = [expected(query, "30m"), expected(coverage, "30m", (coverage + '{cron_source="a"}', 0))]
    assert complaints(tmp_path, document, case(inputs, *checks)) == ""


@pytest.mark.parametrize(("bad", "rings"), [(15, True), (14, False)])
def test_a_burst_rings_above_14_4_times_over_an_hour(bad: int, rings: bool, tmp_path: Path) -> None:
    """After seven good hours an hour of 1.5 % bad runs is no burn of 6 over six hours, so the first pair decides."""
    document = rules_of(job_file(tmp_path, f'a: {{schedule: "@every 5s", {OBJECTIVE}}}'))
    inputs = {
        runs("ok"): f"0+1000x420 420000+{1000 - bad}x61",
        runs("failed"): f"0x420 0+{bad}x61",
    }
    fast = FIRING.replace("{", '{alertname="CronprobeSloBurnFast",')
    checks = [expected(fast, "7h"), expected(fast, "8h1m", *([(FAST, 1)] if rings else []))]
    assert complaints(tmp_path, document, case(inputs, *checks)) == ""


def test_what_burnt_long_ago_does_not_ring_any_more(tmp_path: Path) -> None:
    """The short window is what ends an alert soon after its cause."""
    document = rules_of(job_file(tmp_path, f'a: {{schedule: "@every 5s", {OBJECTIVE}}}'))
    inputs = {
        runs("ok"): "0+1000x420 420000+500x30 435000+1000x60",
        runs("failed"): "0x420 0+500x30 15000x60",
    }
    during = expected(FIRING, "7h29m", (FAST, 1), (SLOW, 1))
    after = expected(FIRING, "8h5m", (SLOW, 1))
    assert complaints(tmp_path, document, case(inputs, during, after)) == ""


def success(agent: str) -> str:
    return f'probe_success{{cron_source="a",agent="{agent}",type="ping",target="127.0.0.1"}}'


def test_one_agent_is_no_quorum_of_two(tmp_path: Path) -> None:
    document = rules_of(job_file(tmp_path, 'a: {schedule: "@every 5s", alert: {for: 1m, quorum: 2}}'))
    failing = '{alertname="CronprobeProbeFailing", severity="page"}'
    inputs = {success("fra-1"): "0x20", success("nyc-1"): "1x9 0x10"}
    checks = [expected(FIRING, "9m"), expected(FIRING, "12m", (failing, 1))]
    assert complaints(tmp_path, document, case(inputs, *checks)) == ""


def test_an_unknown_run_neither_rings_nor_ends_an_alert_of_the_target(tmp_path: Path) -> None:
    """``probe_success`` stays what it was; only the silence is told, after its time."""
    document = rules_of(job_file(tmp_path, 'a: {schedule: "@every 5s"}'))
    last = success("fra-1").replace("probe_success", "cronprobe_last_run_timestamp_seconds")
    inputs = {success("fra-1"): "1x20", last: "0+60x5 300x20", runs("unknown"): "0x5 0+12x20"}
    silent = '{alertname="CronprobeProbeNoData", severity="page"}'
    checks = [expected(FIRING, "7m"), expected(FIRING, "8m", (silent, 1))]
    assert complaints(tmp_path, document, case(inputs, *checks)) == ""


def test_a_job_is_silent_at_night_without_an_alert(tmp_path: Path) -> None:
    """promtool's time begins on a Thursday at midnight."""
    window = 'active: [{days: mon-fri, from: "08:00", to: "20:00"}]'
    document = rules_of(job_file(tmp_path, f'a: {{schedule: "*/10 * * * *", {window}}}'))
    last = success("fra-1").replace("probe_success", "cronprobe_last_run_timestamp_seconds")
    silent = '{alertname="CronprobeProbeNoData", severity="page"}'
    checks = [
        expected(FIRING, "7h59m"),
        expected(FIRING, "8h30m"),
        expected(FIRING, "8h31m", (silent, 1)),
        expected(FIRING, "19h59m", (silent, 1)),
        expected(FIRING, "20h"),
    ]
    assert complaints(tmp_path, document, case({last: "0x1300"}, *checks)) == ""


def test_the_alert_says_why_the_target_fails(tmp_path: Path) -> None:
    document = rules_of(job_file(tmp_path, 'a: {schedule: "@every 5s", description: It works}'))
    failures = success("fra-1").replace("probe_success", "cronprobe_run_failures_total")
    of = {reason: failures.replace("}", f',reason="{reason}"}}') for reason in ("timeout", "connect_refused", "dns")}
    inputs = {
        success("fra-1"): "0x10",
        of["timeout"]: "_x5 1x5",
        of["connect_refused"]: "4+9x10",
        of["dns"]: "400x10",
    }
    [rule] = rules_named(document, "CronprobeProbeFailing")
    [summary, description] = [rule["annotations"][key] for key in ("summary", "description")]
    told: dict[str, Any] = {
        "exp_labels": {**rule["labels"], "type": "ping", "target": "127.0.0.1"},
        "exp_annotations": {
            "summary": summary.replace("{{ $labels.target }}", "127.0.0.1")
            .replace("{{ $labels.type }}", "ping")
            .replace("{{ $labels.cron_source }}", "a"),
            "description": description.replace("{{ $value }}", "1"),
            "reason": "connect_refused",
        },
    }
    alert = {"eval_time": "9m", "alertname": "CronprobeProbeFailing", "exp_alerts": [told]}
    assert complaints(tmp_path, document, {**case(inputs), "alert_rule_test": [alert]}) == ""
