"""The crontab of a NodeGet server as a job file."""

import json
from pathlib import Path
from typing import Any

import pytest

from protocol.errors import ConfigError
from scheduler.imports import IMPORTERS, File, job_file, open_source
from scheduler.jobfile import load
from scheduler.jobs import JobAgent

FIXTURES = Path(__file__).parents[1] / "imports"
FRA = "e8583352-39e8-5a5b-b66c-e450689088fd"
NYC = "0b6a6d2e-7f0e-4c39-9d7a-1f5f0c1a9e11"


def entry(number: int, **changes: Any) -> dict[str, Any]:
    """An entry as the server answers it."""
    return {
        "id": number,
        "name": f"job-{number}",
        "enable": True,
        "cron_expression": "0 */5 * * * 2-6",
        "cron_type": {"agent": [[FRA], {"task": {"ping": "a.example"}}]},
        "last_run_time": None,
    } | changes


def answer(*entries: dict[str, Any]) -> File:
    return File("crontab.json", json.dumps(entries))


def test_a_whole_crontab_becomes_this_job_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FIXTURES)
    found = IMPORTERS["nodeget"](open_source(Path("crontab.json")))
    assert job_file(found) == Path("crontab.jobs.yaml").read_text()
    assert "".join(f"{note}\n" for note in found.all_notes()) == Path("crontab.notes.txt").read_text()


def test_no_secret_of_the_source_is_copied() -> None:
    written = (FIXTURES / "crontab.jobs.yaml").read_text() + (FIXTURES / "crontab.notes.txt").read_text()
    assert "hunter2" not in written
    assert "s3cr3t" not in written


def test_the_job_file_loads_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "jobs.yaml"
    request = {"url": "https://a.example", "method": "POST", "headers": {"a": "b"}, "body": "{}"}
    file.write_text(
        job_file(
            IMPORTERS["nodeget"](
                answer(
                    entry(2, enable=False, cron_type={"agent": [[NYC, FRA], {"task": {"http_request": request}}]}),
                    entry(1, cron_expression="@daily"),
                    entry(3, cron_expression="0 0 0 13 * 6"),
                )
            )
        )
    )
    first, second = load([file]).jobs
    fra, nyc = JobAgent("agent-1", FRA), JobAgent("agent-2", NYC)
    assert (first.name, first.schedule, first.agents, first.enabled) == ("job-1", "@daily", (fra,), True)
    assert (second.schedule, second.agents, second.enabled) == ("0 */5 * * * mon-fri", (nyc, fra), False)
    assert b'"headers":{"a":"b"}' in second.cells[0].task_text


def test_commands_keep_the_minute_that_a_stock_agent_gives_them() -> None:
    command = {"agent": [[FRA], {"task": {"execute": {"cmd": "df", "args": ["-h"]}}}]}
    [job] = IMPORTERS["nodeget"](answer(entry(1, cron_type=command))).jobs
    assert job.keys["timeout"] == "1m"


def test_the_order_of_the_answer_changes_nothing() -> None:
    entries = [entry(1, name="a b"), entry(2, name="a/b"), entry(3, cron_type={"agent": [[NYC], {"task": "ip"}]})]
    texts = {job_file(IMPORTERS["nodeget"](answer(*order))) for order in (entries, entries[::-1])}
    assert len(texts) == 1
    assert "\n  a-b-2:\n" in texts.pop()


def test_the_whole_reply_is_read_as_well_as_its_result() -> None:
    reply = File("reply.json", json.dumps({"jsonrpc": "2.0", "id": 1, "result": [entry(1)]}))
    assert [job.name for job in IMPORTERS["nodeget"](reply).jobs] == ["job-1"]


@pytest.mark.parametrize(
    ("cron_type", "note"),
    [
        (
            {"server": {"js_worker": ["tidy", None]}},
            "the server itself runs the script 'tidy', which no agent does",
        ),
        ({"agent": [[], {"task": "ip"}]}, "has no agents and never runs; give it some"),
        (
            {"agent": [[FRA], {"task": {"ping": " "}}]},
            "no agent can do this task: found ' '; want a host name or an IP address",
        ),
        (
            {
                "agent": [
                    [FRA],
                    {"task": {"web_shell": {"url": "wss://a.example/auto_gen", "terminal_id": NYC}}},
                ]
            },
            "its terminal leads to that server, not to one of yours",
        ),
    ],
)
def test_what_no_agent_of_ours_would_do_is_commented_out(cron_type: Any, note: str) -> None:
    [job] = IMPORTERS["nodeget"](answer(entry(1, cron_type=cron_type))).jobs
    assert (job.usable, [found.text for found in job.notes]) == (False, [note])


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", "crontab.json: Input data was truncated; want what crontab_get answers"),
        ("[\n  {,", "crontab.json:2:4: JSON is malformed: object keys must be strings; want what crontab_get answers"),
        (
            '[{"id": 1}]',
            "crontab.json: Object missing required field `name` - at `$[0]`; want what crontab_get answers",
        ),
        (
            '{"jsonrpc": "2.0", "id": 1, "error": {"code": 102, "message": "no"}}',
            "crontab.json: Object missing required field `result`; want what crontab_get answers",
        ),
    ],
)
def test_an_answer_that_is_something_else_is_a_mistake(text: str, mistake: str) -> None:
    with pytest.raises(ConfigError) as caught:
        IMPORTERS["nodeget"](File("crontab.json", text))
    assert str(caught.value) == mistake
