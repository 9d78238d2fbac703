"""Job files, through ``load``: what they mean, and what is said of those that mean nothing."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from scheduler.jobfile import JobFileError, load
from scheduler.jobs import Agent, JobAgent, JobFile

ROOT = Path(__file__).parents[2]
BROKEN = sorted((ROOT / "tests" / "jobfiles").glob("*.yaml"))

FRA = "e8583352-39e8-5a5b-b66c-e450689088fd"
NYC = "0b6a6d2e-7f0e-4c39-9d7a-1f5f0c1a9e11"
AGENTS = f"version: 1\nagents:\n  fra-1: {{uuid: {FRA}, labels: {{region: eu}}}}\n  nyc-1: {{uuid: {NYC}}}\n"


def loaded(directory: Path, text: str) -> JobFile:
    file = directory / "jobs.yaml"
    file.write_text(text)
    return load([file])


def mistakes(*paths: Path) -> list[str]:
    with pytest.raises(JobFileError) as caught:
        load(paths)
    return str(caught.value).splitlines()


@pytest.mark.parametrize("file", BROKEN, ids=[file.stem for file in BROKEN])
def test_a_broken_file_is_told_what_to_do(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    expected = file.read_text().splitlines()[0].removeprefix("# ")
    assert mistakes(Path(file.name)) == [expected]


def test_the_example_is_a_good_file() -> None:
    jobs = load([ROOT / "jobs.example.yaml"]).jobs
    assert [job.cells[0].type_name for job in jobs] == ["ping", "tcp_ping", "http_ping", "http_request"]
    assert {job.agents for job in jobs} == {(JobAgent("local", FRA),)}


def test_the_example_stays_good_with_its_comments_taken_in(tmp_path: Path) -> None:
    text = (ROOT / "jobs.example.yaml").read_text()
    here, there = text.split("  # Targets on the internet, to be uncommented:\n")
    uncommented = "".join(line.replace("  # ", "  ", 1) for line in there.splitlines(keepends=True) if line != "  #\n")
    assert len(loaded(tmp_path, here + uncommented).jobs) == 9


def test_a_job_takes_defaults_and_its_own_keys_win(tmp_path: Path) -> None:
    file = loaded(
        tmp_path,
        AGENTS + "defaults: {timeout: 100ms, agents: all, timezone: Europe/Berlin, description: shared}\n"
        'jobs:\n  a: {schedule: "@daily", task: ip}\n'
        '  b: {schedule: "@every 1m", task: ip, timeout: 5m, agents: [nyc-1]}\n',
    )
    a, b = file.jobs
    assert (a.timeout_ms, a.timezone, a.description, a.enabled) == (100, "Europe/Berlin", "shared", True)
    assert (b.timeout_ms, b.schedule, b.agents) == (300_000, "@every 1m", (JobAgent("nyc-1", NYC),))
    assert a.agents == (JobAgent("fra-1", FRA), JobAgent("nyc-1", NYC))


def test_without_defaults_a_job_is_enabled_in_utc_with_ten_seconds(tmp_path: Path) -> None:
    [job] = loaded(tmp_path, AGENTS + 'jobs: {a: {schedule: "@daily", agents: all, task: ip}}\n').jobs
    assert (job.timeout_ms, job.timezone, job.description, job.enabled) == (10_000, "UTC", None, True)


def test_the_task_is_the_task_object_of_the_protocol(tmp_path: Path) -> None:
    text = "{http_request: {url: http://a.example, method: GET, headers: {b: '1', a: '2'}}}"
    [job] = loaded(tmp_path, AGENTS + f'jobs: {{a: {{schedule: "@daily", agents: all, task: {text}}}}}\n').jobs
    assert job.cells[0].task_text == (
        b'{"http_request":{"url":"http://a.example/","method":"GET","headers":{"a":"2","b":"1"},'
        b'"body":null,"body_base64":null,"ip":null}}'
    )


def test_a_uuid_is_given_its_name_where_it_has_one(tmp_path: Path) -> None:
    other = "11111111-2222-3333-4444-555555555555"
    listed = f"[{FRA.upper()}, '{other.replace('-', '')}']"
    [job] = loaded(tmp_path, AGENTS + f'jobs: {{a: {{schedule: "@daily", agents: {listed}, task: ip}}}}\n').jobs
    assert job.agents == (JobAgent("fra-1", FRA), JobAgent(None, other))


def test_a_disabled_agent_runs_nothing(tmp_path: Path) -> None:
    agents = f"version: 1\nagents:\n  fra-1: {{uuid: {FRA}, enabled: false}}\n  nyc-1: {{uuid: {NYC}}}\n"
    file = loaded(
        tmp_path,
        agents + f'jobs:\n  a: {{schedule: "@daily", agents: all, task: ip}}\n'
        f'  b: {{schedule: "@daily", agents: [{FRA}, nyc-1], task: ip}}\n',
    )
    assert file.agents["fra-1"] == Agent(FRA, {}, False)
    assert [job.agents for job in file.jobs] == [(JobAgent("nyc-1", NYC),)] * 2


def test_anchors_and_merge_keys_work(tmp_path: Path) -> None:
    jobs = (
        'jobs:\n  a: &a {schedule: &often "*/5 * * * * *", agents: all, task: ip, timeout: 1s}\n'
        "  b: &b {timeout: 2s, enabled: false}\n"
        "  c:\n    <<: [*b, *a]\n    description: own\n"
        "  d: {<<: *a, timeout: 3s, schedule: *often}\n"
    ).replace("  b: &b {timeout", "  b: &b {<<: *a, timeout")
    a, b, c, d = loaded(tmp_path, AGENTS + jobs).jobs
    assert (b.timeout_ms, c.timeout_ms, d.timeout_ms, a.timeout_ms) == (2_000, 2_000, 3_000, 1_000)
    assert (c.enabled, c.description, d.schedule) == (False, "own", "*/5 * * * * *")


def test_a_directory_is_merged_in_name_order(tmp_path: Path) -> None:
    (tmp_path / "20.yml").write_text('jobs: {b: {schedule: "@daily", agents: [fra-1], task: ip}}\n')
    (tmp_path / "10.yaml").write_text(
        'defaults: {timeout: 1s}\njobs: {a: {schedule: "@daily", agents: all, task: ip}}\n'
    )
    (tmp_path / "30.yaml").write_text(AGENTS)
    (tmp_path / "40.yaml").write_text("# all of it is commented out\n")
    (tmp_path / "notes.txt").write_text("{{{")
    file = load([tmp_path])
    assert [(job.name, job.timeout_ms) for job in file.jobs] == [("a", 1_000), ("b", 1_000)]
    assert list(file.agents) == ["fra-1", "nyc-1"]


def test_what_two_files_declare_names_both_places(tmp_path: Path) -> None:
    text = AGENTS + 'defaults: {timeout: 1s}\njobs: {a: {schedule: "@daily", agents: all, task: ip}}\n'
    one, two = tmp_path / "1.yaml", tmp_path / "2.yaml"
    one.write_text(text)
    two.write_text(text)
    twice = "given twice, first at"
    assert mistakes(tmp_path) == [
        f"{two}:1:1: version: {twice} {one}:1:1; remove or rename one",
        f"{two}:3:3: agents.fra-1: {twice} {one}:3:3; remove or rename one",
        f"{two}:4:3: agents.nyc-1: {twice} {one}:4:3; remove or rename one",
        f"{two}:5:1: defaults: {twice} {one}:5:1; remove or rename one",
        f"{two}:6:8: jobs.a: {twice} {one}:6:8; remove or rename one",
    ]


def test_all_mistakes_of_all_files_come_at_once_sorted_by_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("b.yaml").write_text("verison: 1\njobs:\n  x: {schedule: '0 25 * * *', task: {ping: no}}\n")
    Path("a.yaml").write_text(
        f"version: 1\nagents: {{fra-1: {{uuid: {FRA}}}}}\n"
        "jobs:\n  y:\n    timeout: 1h\n    task: {pong: a}\n    agents: [fra-2, fra-3]\n    schedule: '@daily'\n"
    )
    assert mistakes(Path("b.yaml"), Path("a.yaml")) == [
        "a.yaml:5:5: jobs.y.timeout: '1h' is out of bounds; want 100ms to 5m",
        "a.yaml:6:5: jobs.y.task: unknown task type 'pong'; did you mean ping?",
        "a.yaml:7:14: jobs.y.agents[0]: unknown agent 'fra-2'; did you mean fra-1?",
        "a.yaml:7:21: jobs.y.agents[1]: unknown agent 'fra-3'; did you mean fra-1?",
        "b.yaml:1:1: verison: unknown key 'verison'; did you mean version?",
        "b.yaml:3:3: jobs.x: 'agents' is missing; add it",
        "b.yaml:3:7: jobs.x.schedule: field 'hour' is '25'; want 0-23",
        'b.yaml:3:38: jobs.x.task.ping: YAML reads no as a boolean; quote it: "no"',
    ]


def test_a_file_that_cannot_be_read_makes_nothing_else_unknown(tmp_path: Path) -> None:
    agents, jobs = tmp_path / "agents.yaml", tmp_path / "jobs.yaml"
    agents.write_text("version: 1\nagents: {fra-1: {uuid: [}\n")
    jobs.write_text('jobs: {a: {schedule: "@daily", agents: [fra-1], task: {pong: a}}}\n')
    syntax, task = mistakes(tmp_path)
    assert syntax.startswith(f"{agents}:2:25: file: is not YAML: ")
    assert task == f"{jobs}:1:49: jobs.a.task: unknown task type 'pong'; did you mean ping?"


def test_files_that_are_none_are_one_line_each(tmp_path: Path) -> None:
    absent, empty, latin, large, loop, fallen = (
        tmp_path / name for name in ("absent.yaml", "empty", "latin.yaml", "large.yaml", "loop.yaml", "fallen.yaml")
    )
    empty.mkdir()
    latin.write_bytes("version: 1\n# Büro\n".encode("latin-1"))
    with large.open("wb") as file:
        file.truncate(50 * 1024 * 1024)
    loop.symlink_to(loop)
    fallen.symlink_to(absent)
    assert mistakes(absent, empty, latin, large, loop, fallen) == [
        f"{absent}:1:1: file: there is no such file; check the path",
        f"{empty}:1:1: file: the directory has no *.yaml or *.yml; add one",
        f"{fallen}:1:1: file: there is no such file; check the path",
        f"{large}:1:1: file: is larger than 10 MiB; split it over several files of a directory",
        f"{latin}:2:4: file: is not UTF-8; save it in that encoding",
        f"{loop}:1:1: file: cannot be read (Too many levels of symbolic links); check it and its permissions",
    ]


def test_a_directory_is_not_left_for_what_it_links_to(tmp_path: Path) -> None:
    (tmp_path / "jobs.yaml").write_text(AGENTS + "jobs: {}\n")
    (tmp_path / "again").symlink_to(tmp_path)
    (tmp_path / "again.yaml").symlink_to(tmp_path)
    assert load([tmp_path]).jobs == ()


@contextmanager
def written_all_the_time(file: Path, *states: str) -> Iterator[None]:
    """As a careless editor would: in place, one state after the other."""
    stop = Event()

    def write() -> None:
        while not stop.is_set():
            for state in states:
                file.write_text(state)

    writer = Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()


def test_a_file_that_is_written_to_while_it_is_read_is_a_mistake_or_whole(tmp_path: Path) -> None:
    file = tmp_path / "jobs.yaml"
    padding = "# " + "x" * 3_000_000 + "\n"
    last = '  last: {schedule: "@daily", agents: [fra-1], task: ip}\n'
    states = [f"{AGENTS}jobs:\n{name}{padding}{last}" for name in ("", last.replace("last", "first"))]
    file.write_text(states[0])
    said = "was written to while it was read; load it again, and put a new file in its place to write"
    caught = False
    with written_all_the_time(file, *states):
        deadline = time.monotonic() + 20
        while not caught and time.monotonic() < deadline:
            try:
                load([file])
            except JobFileError as e:
                caught = str(e) == f"{file}:1:1: file: {said}"
    assert caught


def test_files_that_vanish_while_they_are_read_are_named(tmp_path: Path) -> None:
    names = [tmp_path / f"{letter}.yaml" for letter in "bcd"]
    (tmp_path / "a.yaml").write_text(AGENTS + "jobs: {}\n" + "# padding\n" * 200_000)
    stop = Event()

    def come_and_go() -> None:
        while not stop.is_set():
            for name in names:
                name.write_text("profiles: {}\n")
            for name in names:
                name.unlink()

    changing = Thread(target=come_and_go)
    changing.start()
    try:
        said: set[str] = set()
        deadline = time.monotonic() + 20
        while not said and time.monotonic() < deadline:
            try:
                load([tmp_path])
            except JobFileError as e:
                said |= {line for line in str(e).splitlines() if "there is no such file" in line}
    finally:
        stop.set()
        changing.join()
    assert said <= {f"{name}:1:1: file: there is no such file; check the path" for name in names}
    assert said


@pytest.mark.parametrize("text", ["[" * 100_000, "a:\n" + "".join(f"{' ' * n}a:\n" for n in range(1, 1_000))])
def test_a_file_may_not_be_nested_without_end(tmp_path: Path, text: str) -> None:
    file = tmp_path / "jobs.yaml"
    file.write_text(text)
    assert mistakes(file) == [f"{file}:1:1: file: is nested deeper than 50 levels; flatten it"]


def test_a_large_file_without_aliases_is_fine(tmp_path: Path) -> None:
    jobs = "".join(
        f'  j{n}: {{schedule: "@daily", agents: [fra-1], task: {{ping: h{n}.example}}}}\n' for n in range(9_000)
    )
    assert len(loaded(tmp_path, AGENTS + "jobs:\n" + jobs).jobs) == 9_000


def test_a_mistake_is_one_line_whatever_the_value_holds(tmp_path: Path) -> None:
    file = tmp_path / "jobs.yaml"
    file.write_text('version: 1\njobs: {a: {schedule: "0 0\\n0", agents: ["x\\ny"], task: ip}}\n')
    assert mistakes(file) == [
        f"{file}:2:12: jobs.a.schedule: '0 0\\n0' has 3 fields; want 5, or 6 with seconds first",
        f"{file}:2:41: jobs.a.agents[0]: unknown agent 'x\\ny'; none is declared",
    ]
