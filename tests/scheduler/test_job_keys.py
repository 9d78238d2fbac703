"""What the keys of a job do: from YAML to the ticks and tasks that come of it."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from protocol.methods.task import NewTask
from scheduler.beats import Due, due_of
from scheduler.definition import definition
from scheduler.due import trigger
from scheduler.gaps import gaps
from scheduler.jobfile import JobFileError, load
from scheduler.jobfile.rendering import render
from scheduler.jobs import JobFile
from scheduler.plan import changes, cost, definitions

HEAD = "version: 1\nagents:\n" + "".join(
    f"  a{n}: {{uuid: e8583352-39e8-5a5b-b66c-{n:012d}, "
    f"labels: {{region: r{n % 3}, kind: {'vm' if n < 4 else 'box'}}}}}\n"
    for n in range(8)
)
MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def loaded(directory: Path, text: str) -> JobFile:
    file = directory / "jobs.yaml"
    file.write_text(HEAD + text)
    return load([file])


def job(directory: Path, keys: str, task: str = "{ping: h}", before: str = "") -> JobFile:
    return loaded(directory, f"{before}jobs:\n  j: {{agents: [a0], schedule: '@every 10s', task: {task}, {keys}}}\n")


def tasks(jobs: JobFile) -> list[NewTask]:
    return [task for listed in due_of(jobs.jobs).tasks.values() for task in listed]


def times(due: Due, count: int, start: datetime = MONDAY) -> list[datetime]:
    """The first times of all its schedules together."""
    found: list[datetime] = []
    for schedule in due.tasks:
        at: datetime | None = start
        for _ in range(count):
            at = trigger(schedule).after(at) if at is not None else None
            found += [] if at is None else [at]
    return sorted(found)[:count]


def mistake(directory: Path, keys: str, **rest: str) -> str:
    with pytest.raises(JobFileError) as caught:
        job(directory, keys, **rest)
    [found] = caught.value.mistakes
    return f"{found.path}: {found.text}"


def test_a_matrix_is_a_task_for_each_combination_with_a_target_of_its_own(tmp_path: Path) -> None:
    made = tasks(job(tmp_path, "matrix: {host: [x, y], port: [80, 443]}", 'tcp_ping: "${host}:${port}"'.join("{}")))
    assert [(task.cell, bytes(task.task_type), task.target) for task in made] == [
        ("host=x,port=80", b'{"tcp_ping":"x:80"}', "x:80"),
        ("host=x,port=443", b'{"tcp_ping":"x:443"}', "x:443"),
        ("host=y,port=80", b'{"tcp_ping":"y:80"}', "y:80"),
        ("host=y,port=443", b'{"tcp_ping":"y:443"}', "y:443"),
    ]


def test_cells_that_share_a_target_need_one_of_their_own(tmp_path: Path) -> None:
    keys = "matrix: {m: [GET, HEAD]}"
    task = '{http_request: {url: "http://h/", method: "${m}"}}'
    assert "the cells m=GET and m=HEAD have the target 'http://h/'" in mistake(tmp_path, keys, task=task)
    made = tasks(job(tmp_path, keys + ', target: "${m} h"', task))
    assert [task.target for task in made] == ["GET h", "HEAD h"]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("matrix: {}", "jobs.j.matrix: is empty; want {key: [values]}"),
        ("matrix: {a: []}", "jobs.j.matrix.a: found an empty list; want a list"),
        ("matrix: {a: [x, x]}", "jobs.j.matrix.a[1]: 'x' is in the list already"),
        ("matrix: {a b: [x]}", "jobs.j.matrix.a b: the key 'a b' is not usable"),
        ("matrix: {a: [[x]]}", "jobs.j.matrix.a[0]: found a list; want a string or a number"),
        ("matrix: {a: [no]}", 'jobs.j.matrix.a[0]: YAML reads no as a boolean; quote it: "no"'),
        ("description: '${x}'", "jobs.j.description: '${x}' is no key of the job's matrix"),
        ("description: '${env:NOT_THERE_AT_ALL}'", "jobs.j.description: the environment has no NOT_THERE_AT_ALL"),
        ("description: '${file:nowhere}'", "jobs.j.description: the file '"),
        ("description: '${env:}'", "jobs.j.description: found '${env:}'; want ${env:NAME}"),
        ("description: '${env:X'", "jobs.j.description: found '${' without its '}'"),
        ("use: nothing", "jobs.j.use: unknown profile 'nothing'; none is declared"),
        ("splay: 10s", "jobs.j.splay: the splay is not below the period of 10s"),
        ("splay: often", "jobs.j.splay: 'often' is not a duration"),
        ("misfire: twice", "jobs.j.misfire: found 'twice'; want skip or once"),
        ("overlap: never", "jobs.j.overlap: found 'never'; want allow or skip"),
        ("active: []", "jobs.j.active: found an empty list; want a list"),
        ("active: [{}]", "jobs.j.active[0]: is empty"),
        ("active: [{days: mon-fry}]", "jobs.j.active[0].days: found 'mon-fry'; want days such as mon-fri"),
        ("active: [{from: 8:00}]", 'jobs.j.active[0].from: YAML reads 8:00 as a number; quote it: "8:00"'),
        ("active: [{from: '25:00'}]", "jobs.j.active[0].from: found '25:00'; want a time of day"),
        ("active: [{from: '08:00', to: '08:00'}]", "jobs.j.active[0]: is empty; want 'to' to differ"),
        ("active: [{days: mon, from: '08:00:01'}]", "jobs.j.active[0].from: found '08:00:01'; want a time of day"),
        ("maintenance: [{from: 2026-01-01T00:00:00Z}]", "jobs.j.maintenance[0]: 'to' is missing"),
        (
            "maintenance: [{from: 2026-01-01, to: 2026-01-02T00:00:00Z}]",
            "jobs.j.maintenance[0].from: found 2026-01-01 ",
        ),
        ("maintenance: [{from: 2026-01-02T00:00:00Z, to: 2026-01-01T00:00:00Z}]", "jobs.j.maintenance[0]: ends before"),
        ("expect: {status: 200}", "jobs.j.expect.status: says nothing about ping; it is for http_request, http_ping"),
        ("expect: {latancy: {}}", "jobs.j.expect.latancy: unknown key 'latancy'; did you mean latency?"),
        ("expect: {latency: {warn: 2s, fail: 1s}}", "jobs.j.expect.latency: warn is not below fail"),
        ("expect: {loss: 101}", "jobs.j.expect.loss: found 101; want a number from 0 to 100"),
        ("slo: {objective: 99.9}", "jobs.j.slo: 'window' is missing"),
        ("slo: {objective: 100, window: 30d}", "jobs.j.slo.objective: found 100; want a number from 1 to 99.999"),
        ("alert: {quorum: 0}", "jobs.j.alert.quorum: found 0; want a whole number from 1 to 100000"),
        ("retention: 7", "jobs.j.retention: found 7 without a unit; want 1h to 3650d"),
        ("runbook_url: wiki", "jobs.j.runbook_url: found 'wiki'; want a URL"),
        ("options: {cuont: 3}", "jobs.j.options.cuont: unknown option 'cuont' of ping; did you mean count?"),
        ("options: {count: 0}", "jobs.j.options.count: found 0; want 1 to 100 echoes"),
        ("options: {interval: 5ms}", "jobs.j.options.interval: '5ms' is out of bounds"),
    ],
)
def test_a_mistake_in_a_key_says_what_to_do(tmp_path: Path, keys: str, said: str) -> None:
    assert mistake(tmp_path, keys).startswith(said)


def test_a_matrix_may_have_ten_thousand_cells_and_no_more(tmp_path: Path) -> None:
    numbers = ", ".join(map(str, range(101)))
    keys = f"matrix: {{a: [{numbers}], b: [{numbers}]}}"
    assert "has 101 x 101 = 10,201 combinations" in mistake(tmp_path, keys)


def test_profiles_are_merged_in_order_over_the_defaults_and_own_keys_win(tmp_path: Path) -> None:
    before = "defaults: {timeout: 1s, misfire: once, use: one}\nprofiles:\n"
    before += "  one: {timeout: 2s, description: one}\n  two: {timeout: 3s, runbook_url: 'http://b/'}\n"
    taken = job(tmp_path, "use: [two, one], description: own", before=before).jobs[0]
    assert (taken.timeout_ms, taken.description, taken.runbook_url, taken.misfire) == (
        2_000,
        "own",
        "http://b/",
        "once",
    )
    by_default = job(tmp_path, "enabled: true", before=before).jobs[0]
    assert (by_default.timeout_ms, by_default.description) == (2_000, "one")


def test_an_unused_profile_is_checked_as_well(tmp_path: Path) -> None:
    before = "profiles: {p: {expect: {status: [9xx]}}}\n"
    assert mistake(tmp_path, "enabled: true", before=before).startswith("profiles.p.expect.status[0]: found '9xx'")


def test_a_selection_is_the_same_every_time_and_moves_little(tmp_path: Path) -> None:
    def chosen(selector: str, text: str = HEAD) -> set[str | None]:
        (tmp_path / "j.yaml").write_text(text + f"jobs: {{j: {{schedule: '@daily', task: ip, agents: {selector}}}}}\n")
        return {agent.name for agent in load([tmp_path / "j.yaml"]).jobs[0].agents}

    assert chosen("{match: {kind: vm}}") == {"a0", "a1", "a2", "a3"}
    assert chosen("{match: {kind: vm, region: [r0, r1]}}") == {"a0", "a1", "a3"}
    three = chosen("{count: 3}")
    assert three == chosen("{count: 3}")
    assert len(three) == 3
    more = HEAD + "  a9: {uuid: e8583352-39e8-5a5b-b66c-000000000099, labels: {region: r9}}\n"
    assert len(three & chosen("{count: 3}", more)) >= 2
    spread = chosen("{count: 3, spread_by: region}")
    assert {int(str(name)[1]) % 3 for name in spread} == {0, 1, 2}


def test_a_splay_delays_each_agent_and_cell_always_the_same(tmp_path: Path) -> None:
    text = "jobs: {j: {agents: all, schedule: '@every 60s', splay: auto, matrix: {h: [x, y]}, task: {ping: '${h}'}}}\n"
    first, second = due_of(loaded(tmp_path, text).jobs), due_of(loaded(tmp_path, text).jobs)
    assert first.tasks.keys() == second.tasks.keys()
    delays = {schedule.delay_ms for schedule in first.tasks}
    assert len(delays) > 8
    assert all(0 <= delay < 60_000 and delay % 100 == 0 for delay in delays)
    for schedule in first.tasks:
        after = trigger(schedule).after(MONDAY)
        assert after is not None
        assert (after - MONDAY) / timedelta(milliseconds=1) % 60_000 == schedule.delay_ms


def test_outside_its_windows_a_job_is_not_due(tmp_path: Path) -> None:
    keys = "schedule: '0 * * * *', timezone: Asia/Shanghai, active: [{days: mon-fri, from: '08:00', to: '10:00'}]"
    text = f"jobs:\n  j: {{agents: [a0], task: ip, {keys}}}\n"
    found = times(due_of(loaded(tmp_path, text).jobs), 5, MONDAY + timedelta(days=4, hours=1, minutes=30))
    assert [time.isoformat() for time in found] == [
        "2026-11-30T00:00:00+00:00",
        "2026-11-30T01:00:00+00:00",
        "2026-12-01T00:00:00+00:00",
        "2026-12-01T01:00:00+00:00",
        "2026-12-02T00:00:00+00:00",
    ]


def test_a_window_may_go_past_midnight(tmp_path: Path) -> None:
    keys = "schedule: '0 */6 * * *', active: [{days: sun, from: '22:00', to: '07:00'}]"
    found = times(due_of(loaded(tmp_path, f"jobs:\n  j: {{agents: [a0], task: ip, {keys}}}\n").jobs), 3)
    assert [time.isoformat() for time in found[:2]] == ["2026-11-23T06:00:00+00:00", "2026-11-30T00:00:00+00:00"]


def test_in_maintenance_runs_are_marked(tmp_path: Path) -> None:
    due = due_of(
        job(tmp_path, "maintenance: [{from: 2026-11-23T08:00:00Z, to: 2026-11-23T09:00:00+00:00}, {days: sat}]").jobs
    )
    at = [MONDAY + timedelta(hours=hour) for hour in (7, 8, 9, 24 * 5)]
    assert [due.in_maintenance(int(time.timestamp()) * 1000) for time in at] == [
        frozenset(),
        frozenset({"j"}),
        frozenset(),
        frozenset({"j"}),
    ]


def test_secrets_travel_beside_their_references(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD", 'geheim"1')
    (tmp_path / "token").write_text("abc123\n")
    request = '{url: "http://h/${env:PASSWORD}?q=$$5", method: GET, headers: {t: "Bearer ${file:token}"}}'
    jobs = job(
        tmp_path, "expect: {json: {a: '${env:PASSWORD}'}}, description: '${file:token}'", f"{{http_request: {request}}}"
    )
    [task] = tasks(jobs)
    assert task.secrets == {"${env:PASSWORD}": 'geheim"1', "${file:token}": "abc123"}
    shown = json.loads(bytes(task.task_type))["http_request"]
    assert (shown["url"], shown["headers"]) == ("http://h/${env:PASSWORD}?q=$5", {"t": "Bearer ${file:token}"})
    assert task.target == "http://h/${env:PASSWORD}"
    assert json.loads(bytes(task.expect or b"")) == {"json": {"a": "${env:PASSWORD}"}}
    everything = render(jobs) + json.dumps(definition(jobs.jobs[0]))
    assert "geheim" not in everything
    assert "abc123" not in everything


@pytest.mark.parametrize(
    ("task", "keys"),
    [
        ("{http_ping: '${env:LONG}'}", "enabled: true"),
        ("{tcp_ping: '${env:LONG}'}", "enabled: true"),
        ("{http_request: {url: 'http://h/', method: 'a ${env:LONG}'}}", "enabled: true"),
        ("{http_request: {url: 'http://h/', method: GET, ip: '${env:LONG}'}}", "enabled: true"),
        ("{http_request: {url: 'http://h/', method: GET}}", "options: {proxy: '${env:LONG}'}"),
        ("{http_request: {url: 'http://h/', method: GET}}", "options: {max_body: '${env:LONG}'}"),
        ("{http_request: {url: 'http://h/', method: GET}}", "expect: {body_regex: '(${env:LONG}'}"),
        ("{ping: h}", "timeout: '${env:LONG}'"),
        ("{ping: h}", "timezone: '${env:LONG}'"),
        ("{ping: h}", "target: ['${env:LONG}']"),
    ],
)
def test_a_mistake_shows_no_part_of_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, keys: str
) -> None:
    monkeypatch.setenv("LONG", "geheim'" * 40)
    assert "gehe" not in mistake(tmp_path, keys, task=task)
    with pytest.raises(JobFileError) as caught:
        loaded(tmp_path, f"jobs: {{j: {{agents: [a0], task: {task}, schedule: '1 ${{env:LONG}} * * *'}}}}\n")
    assert "gehe" not in str(caught.value)


def test_a_secret_that_is_no_text_is_a_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATIN", "B\udcfcro")
    assert mistake(tmp_path, "description: '${env:LATIN}'") == (
        "jobs.j.description: the value of '${env:LATIN}' is not UTF-8; correct it"
    )


def test_a_missing_secret_is_one_mistake(tmp_path: Path) -> None:
    request = '{http_request: {url: "http://${env:NOT_THERE_AT_ALL}/", method: GET}}'
    assert mistake(tmp_path, "enabled: true", task=request).startswith(
        "jobs.j.task.http_request.url: the environment has no NOT_THERE_AT_ALL"
    )


IMPORTED = sorted((Path(__file__).parents[1] / "imports").glob("*.jobs.yaml"))


@pytest.mark.parametrize("file", IMPORTED, ids=[file.name for file in IMPORTED])
def test_what_was_imported_loads_once_agents_and_secrets_are_there(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = file.read_text().replace("agents: {}", "agents: {a: {uuid: e8583352-39e8-5a5b-b66c-e450689088fd}}")
    for name in re.findall(r"\$\{env:([A-Z0-9_]+)", text):
        monkeypatch.setenv(name, {"HTTP_POST_2XX_URL_PASSWORD": "word"}.get(name, "words.example"))
    (tmp_path / "jobs.yaml").write_text(text)
    assert load([tmp_path / "jobs.yaml"]).jobs


def test_a_mistake_shows_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TARGET", "geheim/heim")
    said = mistake(tmp_path, "enabled: true", task='{ping: "${env:SECRET_TARGET}"}')
    assert said == "jobs.j.task.ping: found '${env:SECRET_TARGET}'; want a host name or an IP address"


def test_the_rest_of_the_keys_is_carried_along(tmp_path: Path) -> None:
    keys = "slo: {objective: 99.9, window: 30d, latency: 1s}, alert: {for: 1m, quorum: 2, severity: warn}, "
    keys += "retention: 7d, labels: {team: net}, overlap: skip, options: {count: 3, interval: 1s}, expect: {loss: 5}"
    one = job(tmp_path, keys)
    shown = definition(one.jobs[0])
    assert shown["slo"] == {"objective": 99.9, "window": "30d", "latency": "1s"}
    assert shown["alert"] == {"for": "1m", "quorum": 2, "severity": "warn"}
    assert (shown["retention"], shown["labels"], shown["overlap"]) == ("7d", {"team": "net"}, "skip")
    [task] = tasks(one)
    assert json.loads(bytes(task.options or b"")) == {"count": 3, "interval_ms": 1_000}
    assert task.skip_overlap


def test_what_is_rendered_without_a_matrix_loads_again(tmp_path: Path) -> None:
    keys = (
        "splay: 3s, active: [{days: 'mon,wed', from: '22:00', to: '06:00'}], expect: {latency: {warn: 1ms, fail: 2s}}, "
    )
    keys += "maintenance: [{from: 2026-11-23T08:00:00Z, to: 2026-11-24T08:00:00Z}], alert: {quorum: 3}"
    one = job(tmp_path, keys)
    again = tmp_path / "again.yaml"
    again.write_text(render(one))
    assert definitions(load([again])) == definitions(one)
    assert not changes(definitions(one), definitions(load([again])))


def test_a_plan_names_what_is_added_changed_and_removed(tmp_path: Path) -> None:
    form = "jobs:\n  {0}: {{agents: all, schedule: '@daily', task: ip}}\n"
    form += "  b: {{agents: [a0], schedule: '@daily', task: ip{1}}}\n"
    before, after = loaded(tmp_path, form.format("a", "")), loaded(tmp_path, form.format("c", ", timeout: 5s"))
    found = changes(definitions(before), definitions(after))
    assert (found.added, found.removed) == (("c",), ("a",))
    assert [(job.name, job.keys) for job in found.changed] == [("b", (("timeout", "10s", "5s"),))]


def test_a_job_that_its_windows_keep_from_ever_being_due_is_a_mistake(tmp_path: Path) -> None:
    keys = "schedule: '0 3 * * *', active: [{from: '08:00'}]"
    with pytest.raises(JobFileError, match=r"jobs.j.active: '0 3 \* \* \*' is never due inside these windows"):
        loaded(tmp_path, f"jobs:\n  j: {{agents: [a0], task: ip, {keys}}}\n")


def test_what_a_plan_counts_is_what_falls_due(tmp_path: Path) -> None:
    text = (
        "jobs:\n  a: {agents: all, schedule: '*/10 * * * * *', task: ip}\n"
        "  b: {agents: [a0], schedule: '0 9 * * *', matrix: {h: [x, y]}, task: {ping: '${h}'}}\n"
        "  c: {agents: [a0], schedule: '@every 1s', task: ip, enabled: false}\n"
    )
    found = cost(loaded(tmp_path, text), MONDAY)
    assert (found.probes, found.agents, found.busiest_second) == (10, 8, 10)
    assert found.rows_per_day == 8 * 8_640 + 2


@pytest.mark.parametrize(
    ("keys", "last_s", "until_s", "expected"),
    [
        ("schedule: '@every 10s'", 100, 135, (110, 130, 3)),
        ("schedule: '@every 10s'", 100, 110, (110, 110, 1)),
        ("schedule: '@every 10s'", 100, 109, None),
        ("schedule: '@every 10s', enabled: false", 100, 135, None),
        ("schedule: '@every 10s', matrix: {h: [x, y]}, task: {ping: '${h}'}", 100, 135, (110, 130, 6)),
    ],
)
def test_a_gap_is_what_was_due_between_the_last_tick_and_the_start(
    tmp_path: Path, keys: str, last_s: int, until_s: int, expected: Any
) -> None:
    task = "" if "task:" in keys else ", task: ip"
    jobs = loaded(tmp_path, f"jobs:\n  j: {{agents: [a0], {keys}{task}}}\n").jobs
    found = [(g.from_ms // 1000, g.to_ms // 1000, g.ticks) for g in gaps(jobs, {"j": last_s * 1000}, until_s * 1000)]
    assert found == ([] if expected is None else [expected])
    assert gaps(jobs, {}, until_s * 1000) == []
