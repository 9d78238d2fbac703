"""What rules are made of jobs, read as data."""

from pathlib import Path
from typing import Any

import pytest

from scheduler.jobfile import load
from scheduler.jobs import Slo
from scheduler.rules.periods import longest_pause_ms, period_ms, watched_minutes
from scheduler.rules.promql import duration
from scheduler.rules.slo import burns
from scheduler.windows import Weekly
from tests.rules.texts import job_file, names, rules_named, rules_of

RICH = Path(__file__).parent / "rich.jobs.yaml"
MIN, HOUR, DAY = 60_000, 3_600_000, 86_400_000
OFFICE = Weekly(days=(0, 1, 2, 3, 4), start_min=8 * 60, end_min=20 * 60)


@pytest.mark.parametrize(
    ("schedule", "seconds"),
    [
        ("* * * * * *", 1),
        ("1-59/5 * * * * *", 5),
        ("0,10 * * * * *", 50),
        ("@every 90s", 90),
        ("*/7 * * * *", 7 * 60),
        ("30 5 * * * *", 3_600),
        ("*/10 9-17 * * *", 15 * 3_600 + 600),
        ("*/10 9-17 * * mon-fri", 2 * 86_400 + 15 * 3_600 + 600),
        ("@daily", 86_400),
        ("0 0 L * *", 31 * 86_400),
        ("0 0 29 2 *", (3 * 365 + 366) * 86_400),
    ],
)
def test_the_period_is_the_longest_time_between_two_ticks(schedule: str, seconds: int) -> None:
    assert period_ms(schedule) == seconds * 1_000


@pytest.mark.parametrize(
    ("schedule", "window"), [("* * * * * *", "5m"), ("*/5 * * * *", "20m"), ("@hourly", "4h"), ("@daily", "4d")]
)
def test_ratios_are_taken_over_four_periods_and_five_minutes_at_least(
    schedule: str, window: str, tmp_path: Path
) -> None:
    document = rules_of(job_file(tmp_path, f'a: {{schedule: "{schedule}"}}'))
    for name in ("probe_success:ratio", "cronprobe_coverage:ratio", "cronprobe_latency_seconds:p99"):
        [rule] = rules_named(document, f"cron_source:{name}")
        assert f"[{window}]" in rule["expr"]


def test_rules_come_in_the_order_of_the_file_and_every_time_the_same() -> None:
    document = rules_of(load([RICH]), with_itself=True)
    assert [group["name"] for group in document["groups"]] == [
        "cronprobe",
        *(f"cronprobe job {name}" for name in ("edge", "office", "nightly", "one-agent")),
    ]
    assert document == rules_of(load([RICH]), with_itself=True)
    assert len(names(document)) > 40


def test_a_disabled_job_has_no_rules() -> None:
    assert "asleep" not in str(rules_of(load([RICH])))


def test_every_alert_has_a_severity_a_summary_and_a_description() -> None:
    alerts = [rule for group in rules_of(load([RICH]), with_itself=True)["groups"] for rule in group["rules"]]
    for alert in (rule for rule in alerts if "alert" in rule):
        assert alert["labels"]["severity"], alert["alert"]
        assert alert["annotations"]["summary"], alert["alert"]
        assert len(alert["annotations"]["description"]) > 60, alert["alert"]


def edge(name: str) -> dict[str, Any]:
    return next(rule for rule in rules_named(rules_of(load([RICH])), name) if rule["labels"]["cron_source"] == "edge")


def test_an_alert_carries_the_labels_of_its_job_under_names_that_prometheus_takes() -> None:
    assert edge("CronprobeProbeFailing")["labels"] == {
        "cron_source": "edge",
        "severity": "warning",
        "team": "net",
        "label_1x_y": "odd",
        "label_severity": "mine",
    }


def test_what_people_wrote_is_no_template() -> None:
    annotations = edge("CronprobeProbeFailing")["annotations"]
    assert annotations["description"].startswith('Braces {{"{{"}} stay }} and "quotes". {{ $value }} of 2 agents')
    assert annotations["runbook_url"] == "https://runbooks.example/edge"


def test_an_alert_waits_as_long_as_the_job_says_or_two_periods(tmp_path: Path) -> None:
    jobs = job_file(tmp_path, 'a: {schedule: "*/5 * * * *"}', 'b: {schedule: "@hourly", alert: {for: 90s}}')
    rules = rules_named(rules_of(jobs), "CronprobeProbeFailing")
    assert [rule["for"] for rule in rules] == ["10m", "1m30s"]


def test_a_quorum_is_never_more_than_the_agents_there_are() -> None:
    rules = rules_named(rules_of(load([RICH])), "CronprobeProbeFailing")
    assert [rule["expr"].splitlines()[0].rpartition(" ")[2] for rule in rules] == ["2", "1", "1", "1"]


def test_silence_counts_in_active_windows_alone_where_these_are_long_enough() -> None:
    rules = rules_named(rules_of(load([RICH])), "CronprobeProbeNoData")
    office, nightly = rules[1]["expr"], rules[2]["expr"]
    assert "> 1810\n" in office
    assert ">= 1891 < 2520" in office  # Monday in Berlin, in UTC: 08:00 in winter and half an hour, to 20:00 in summer
    assert "day_of_week" not in nightly
    assert f"> {3 * 86_400 + 10 + 70 * 3_600}\n" in nightly  # as long as from Friday 04:00 to Monday 02:00 on top


def test_minutes_are_watched_by_both_clocks_of_a_zone() -> None:
    assert watched_minutes((OFFICE,), "UTC", 0)[0] == (1_440 + 480, 1_440 + 1_200)
    assert watched_minutes((OFFICE,), "Europe/Berlin", 0)[0] == (1_440 + 420, 1_440 + 1_080)
    assert watched_minutes((OFFICE,), "Europe/Berlin", 30_000)[0] == (1_440 + 421, 1_440 + 1_080)
    assert watched_minutes((OFFICE,), "UTC", 12 * HOUR) == ()


def test_windows_that_touch_are_one_and_a_week_goes_on_with_the_next() -> None:
    days = tuple(range(7))
    always = (Weekly(days, 0, 720), Weekly(days, 720, 1_440))
    assert longest_pause_ms(always) == 0
    nights = (Weekly(days, 22 * 60, 6 * 60),)
    assert longest_pause_ms(nights) == 16 * HOUR
    assert watched_minutes(nights, "UTC", HOUR)[0] == (0, 360)
    assert watched_minutes(nights, "UTC", HOUR)[-1] == (6 * 1_440 + 23 * 60, 7 * 1_440)
    assert longest_pause_ms((OFFICE,)) == 60 * HOUR


def told(slo: Slo, least_ms: int) -> list[tuple[bool, str, str, float]]:
    return [
        (burn.is_fast, duration(burn.long_ms), duration(burn.short_ms), round(burn.rate, 3))
        for burn in burns(slo, least_ms)
    ]


def test_burn_rates_are_those_of_the_workbook_for_thirty_days() -> None:
    assert told(Slo(99.9, 30 * DAY), 5 * MIN) == [
        (True, "1h", "5m", 14.4),
        (True, "6h", "30m", 6),
        (False, "1d", "2h", 3),
        (False, "3d", "6h", 1),
    ]


def test_burn_rates_follow_the_window_of_the_objective() -> None:
    assert [rate for *_, rate in told(Slo(99.9, 7 * DAY), 5 * MIN)] == [3.36, 1.4, 1, 1]
    assert [rate for *_, rate in told(Slo(99.9, 90 * DAY), 5 * MIN)] == [43.2, 18, 9, 3]
    assert told(Slo(99.9, 2 * HOUR), 5 * MIN) == [(True, "1h", "5m", 1)]


def test_windows_in_which_a_job_has_too_few_runs_are_left_out() -> None:
    assert told(Slo(99.9, 30 * DAY), 2 * HOUR) == [
        (True, "6h", "2h", 6),
        (False, "1d", "2h", 3),
        (False, "3d", "6h", 1),
    ]
    assert told(Slo(99.9, 30 * DAY), 4 * DAY) == [(False, "4d", "4d", 1)]


def test_a_rate_that_not_even_an_outage_reaches_is_left_out() -> None:
    assert [rate for *_, rate in told(Slo(90, 30 * DAY), 5 * MIN)] == [6, 3, 1]


@pytest.mark.parametrize(
    ("latency", "bound", "said"),
    [
        ("250ms", "0.25", "bad is slower than 0.25s, the first bound of the histogram at or above 250ms"),
        ("251ms", "0.5", "bad is slower than 0.5s, the first bound of the histogram at or above 251ms"),
        ("1s", "1.0", "bad is slower than 1s, the first bound of the histogram at or above 1s"),
        ("11s", None, "11s is above the last bound of the histogram, 10s: no run is too slow"),
    ],
)
def test_a_latency_is_judged_by_the_next_bound_and_the_alert_says_so(
    latency: str, bound: str | None, said: str, tmp_path: Path
) -> None:
    slo = f"slo: {{objective: 99, window: 30d, latency: {latency}}}"
    document = rules_of(job_file(tmp_path, f'a: {{schedule: "@every 5s", {slo}}}'))
    [errors] = rules_named(document, "cron_source:cronprobe_slo_errors:ratio_rate5m")
    assert (f'le="{bound}"' in errors["expr"]) is (bound is not None)
    [alert] = rules_named(document, "CronprobeSloBurnFast")
    assert alert["annotations"]["latency"] == said


def test_the_agreed_series_are_recorded_of_a_job_with_an_objective(tmp_path: Path) -> None:
    document = rules_of(job_file(tmp_path, 'a: {schedule: "@every 5s", slo: {objective: 99.9, window: 30d}}'))
    windows = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
    assert [name.removeprefix("cron_source:") for name in names(document)] == [
        "probe_success:ratio",
        "cronprobe_coverage:ratio",
        *(f"cronprobe_latency_seconds:{p}" for p in ("p50", "p95", "p99")),
        "CronprobeProbeFailing",
        "CronprobeProbeNoData",
        "cronprobe_slo_objective:ratio",
        *(f"cronprobe_slo_errors:ratio_rate{window}" for window in windows),
        "cronprobe_slo_error_budget_remaining:ratio",
        "CronprobeSloBurnFast",
        "CronprobeSloBurnSlow",
    ]
