"""``cronprobe run``: one job of a job file, now, through a server; its verdicts."""

import time
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from xml.etree import ElementTree

import msgspec
import typer
from msgspec.structs import replace

from cli.client import Client
from cli.completion import job_names
from cli.options import DEFAULT_SERVER, DEFAULT_STATE_DIR, ServerUrl, StateDir, TokenFile, TokenText, find_token
from cli.screen import Output, console, printable, show
from protocol.errors import ConfigError, Error
from protocol.methods.task import Created, NewTask
from scheduler.beats import due_of
from scheduler.jobfile import load
from scheduler.jobs import Job

_LOOK_EVERY_S = 0.2
_GRACE_S = 5.0
_COLUMNS = ("agent", "cell", "target", "outcome", "reason", "ms", "message")


class RunOutput(StrEnum):
    """The form of the verdicts."""

    TABLE = "table"
    JSON = "json"
    JUNIT = "junit"


class NotRun(Error):
    """The server did not take a task of the job, or did not end it."""


def run(
    path: Annotated[Path, typer.Argument(help="Job file, or a directory of them.", metavar="PATH")],
    job: Annotated[str, typer.Argument(help="The job to run.", metavar="JOB", autocompletion=job_names)],
    agent: Annotated[str | None, typer.Option(help="Only on this agent: name or UUID.", metavar="NAME")] = None,
    output: Annotated[RunOutput, typer.Option("--output", "-o")] = RunOutput.TABLE,
    server: ServerUrl = DEFAULT_SERVER,
    token_file: TokenFile = None,
    token: TokenText = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
) -> None:
    """
    Run a job now, as its file says, on all its agents, and print the verdicts. Exit code 1 unless all are ok.

    The runs are stored and measured like those of its schedule. `-o junit` is for pipelines.

    Example: `cronprobe run jobs.yaml daily-check --agent fra-1`
    """
    tasks = _tasks(_job(path, job), agent)
    client = Client(server, find_token(token_file, token, state_dir))
    rows = _rows(client, job, tasks)
    if output is RunOutput.JSON:
        console.out(msgspec.json.encode(rows).decode(), highlight=False)
    elif output is RunOutput.JUNIT:
        console.out(_junit(job, rows), highlight=False)
    else:
        show(_COLUMNS, [tuple(row.values()) for row in rows], Output.TABLE)
    raise typer.Exit(0 if all(row["outcome"] == "ok" for row in rows) else 1)


def _job(path: Path, name: str) -> Job:
    jobs = load([path]).jobs
    for job in jobs:
        if job.name == name:
            return job
    raise ConfigError(f"JOB: no job is named {name!r}; known are {', '.join(job.name for job in jobs[:12])}")


def _tasks(job: Job, agent: str | None) -> list[NewTask]:
    """The job's tasks for one moment, whatever its schedule, windows and splay say."""
    now_ms = time.time_ns() // 1_000_000
    due = due_of([replace(job, enabled=True, overlap="allow", splay_ms=0)])
    tasks = [
        task for listed in due.tasks.values() for task in listed if agent in (None, task.agent_name, task.target_uuid)
    ]
    if not tasks:
        known = ", ".join(one.name or one.uuid for one in job.agents) or "none"
        raise ConfigError(f"--agent: job {job.name} does not run on {agent!r}; it runs on {known}")
    return [replace(task, scheduled_at=now_ms) for task in tasks]


def _rows(client: Client, job: str, tasks: Sequence[NewTask]) -> list[dict[str, Any]]:
    """What became of each task, in their order."""
    answers: list[Created] = msgspec.json.decode(client.call("task_create_batch", {"tasks": tasks}), type=list[Created])
    for task, answer in zip(tasks, answers, strict=True):
        if answer.id is None:
            raise NotRun(f"{task.agent_name or task.target_uuid}: {answer.error}")
    ids = [answer.id for answer in answers]
    ends_s = time.monotonic() + max(task.timeout_ms for task in tasks) / 1_000 + _GRACE_S
    while True:
        found = _finished(client, job, len(ids))
        if all(id_ in found for id_ in ids):
            return [_row(task, found[id_]) for task, id_ in zip(tasks, ids, strict=True) if id_ is not None]
        if time.monotonic() > ends_s:
            raise NotRun("the server ended no run in time; see its log")
        time.sleep(_LOOK_EVERY_S)


def _finished(client: Client, job: str, count: int) -> Mapping[int | None, dict[str, Any]]:
    """The newest rows of the job that ended, by id."""
    query = {"condition": [{"cron_source": job}, {"limit": min(10_000, count * 2 + 100)}], "detail": True}
    rows: list[dict[str, Any]] = msgspec.json.decode(client.call("task_query_task", {"task_data_query": query}))
    return {row["task_id"]: row for row in rows if row["outcome"] is not None}


def _row(task: NewTask, row: Mapping[str, Any]) -> dict[str, Any]:
    result = row["task_event_result"] or {}
    latency = next((value for value in result.values() if isinstance(value, int | float)), None)
    duration = (row["detail"] or {}).get("duration_ms") if latency is None else latency
    return {
        "agent": task.agent_name or task.target_uuid,
        "cell": task.cell,
        "target": task.target,
        "outcome": row["outcome"],
        "reason": row["reason"],
        "ms": None if duration is None else round(duration, 3),
        "message": row["error_message"],
    }


def _junit(job: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a test suite, in the form that pipelines read."""
    failed = [row for row in rows if row["outcome"] != "ok"]
    suite = ElementTree.Element("testsuite", name=job, tests=str(len(rows)), failures=str(len(failed)))
    for row in rows:
        name = " ".join(part for part in (row["agent"], row["cell"]) if part)
        case = ElementTree.SubElement(
            suite, "testcase", classname=job, name=name, time=f"{(row['ms'] or 0) / 1_000:.6f}"
        )
        if row["outcome"] != "ok":
            message = printable(row["message"] or "")  # XML has no place for control characters
            failure = ElementTree.SubElement(case, "failure", message=message, type=row["reason"] or "")
            failure.text = f"{row['outcome']} / {row['reason']}: {message}"
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)
