"""
The crontab of a NodeGet server, as its ``crontab_get`` answers it: a job for each entry that gives agents a task.

What the server itself runs, and schedules that would mean something else here, are left commented out.
"""

import re
from typing import Any

import msgspec
from msgspec import Raw, Struct

from protocol.crontab import AgentCron, read_cron_type
from protocol.errors import ConfigError, Unreadable
from protocol.tasks import form
from protocol.tasks.interface import Task
from scheduler.imports.interface import Imported, ImportedJob, Note
from scheduler.imports.names import Names
from scheduler.imports.secrecy import Variables, Veil, literal
from scheduler.imports.stock_cron import Untranslatable, translate
from scheduler.imports.trial import objection
from scheduler.jobfile.files import File

# A stock agent gives these so long; ten seconds, as others have, are what a job has without a timeout.
_TIMEOUTS = {"execute": "1m"}
_BYTE = re.compile(r" \(byte (\d+)\)")


class _Entry(Struct):
    id: int
    name: str
    enable: bool
    cron_expression: str
    cron_type: Raw


class _Reply(Struct):
    result: list[_Entry]


def read(answer: File) -> Imported:
    """
    The jobs of a crontab; ``answer`` is the result of ``crontab_get``, or the whole reply around it.

    Raises:
        ConfigError: it is neither.
    """
    names, variables = Names(), Variables()
    agents: dict[str, str] = {}
    entries = sorted(_entries(answer), key=lambda entry: entry.id)
    jobs = tuple(_job(entry, f"{answer.name}: {entry.name}", names, variables, agents) for entry in entries)
    return Imported(origin=answer.name, jobs=jobs, agents={name: uuid for uuid, name in agents.items()})


def _entries(answer: File) -> list[_Entry]:
    text = answer.text.strip()
    try:
        if text.startswith("{"):
            return msgspec.json.decode(text, type=_Reply).result
        return msgspec.json.decode(text, type=list[_Entry])
    except (msgspec.DecodeError, RecursionError) as e:
        where, what = _place(answer, str(e))
        raise ConfigError(f"{where}: {what}; want what crontab_get answers") from e


def _place(answer: File, text: str) -> tuple[str, str]:
    """Where in the file msgspec stopped, and what it says."""
    found = _BYTE.search(text)
    if found is None:
        return answer.name, text
    start = len(answer.text) - len(answer.text.lstrip())
    before = answer.text[:start] + answer.text.strip().encode()[: int(found[1])].decode(errors="ignore")
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return f"{answer.name}:{line}:{column}", _BYTE.sub("", text)


def _job(entry: _Entry, at: str, names: Names, variables: Variables, agents: dict[str, str]) -> ImportedJob:
    notes: list[Note] = []
    name = names.give(entry.name, f"cron-{entry.id}")
    keys: dict[str, Any] = {} if name == entry.name else {"description": literal(entry.name)}
    usable = True
    try:
        keys["schedule"] = translate(entry.cron_expression)
    except Untranslatable as e:
        keys["schedule"] = entry.cron_expression
        notes.append(Note(at, f"the schedule '{entry.cron_expression}' cannot be translated: {e}"))
        usable = False
    work = _work(entry.cron_type, Veil(name, variables, notes), at, agents, notes)
    obstacle = _obstacle(work) if "task" in work else None
    if obstacle is not None:
        notes.append(Note(at, obstacle))
    if not entry.enable:
        work["enabled"] = False
    return ImportedJob(
        name=name, keys={**keys, **work}, notes=tuple(notes), usable=usable and "task" in work and obstacle is None
    )


def _work(cron_type: Raw, veil: Veil, at: str, agents: dict[str, str], notes: list[Note]) -> dict[str, Any]:
    """The keys ``agents``, ``task`` and ``timeout``; none for what is no task. New agents get their names here."""
    try:
        cron = read_cron_type(cron_type)
    except Unreadable as e:
        notes.append(Note(at, f"what it runs cannot be read: {e}"))
        return {}
    if not isinstance(cron, AgentCron):
        notes.append(Note(at, f"the server itself runs the script '{cron.script}', which no agent does"))
        return {}
    listed = list(dict.fromkeys(agents.setdefault(uuid, f"agent-{len(agents) + 1}") for uuid in cron.agents))
    if len(listed) < len(cron.agents):
        notes.append(Note(at, "an agent that is listed twice gets the task once here"))
    timeout = {"timeout": _TIMEOUTS[cron.task.name]} if cron.task.name in _TIMEOUTS else {}
    return {"agents": listed, "task": _task(cron.task, veil, at), **timeout}


def _obstacle(work: dict[str, Any]) -> str | None:
    """Why a job that has a task cannot be used, whatever its schedule."""
    if not work["agents"]:
        return "has no agents and never runs; give it some"
    if "web_shell" in work["task"]:
        return "its terminal leads to that server, not to one of yours"
    why = objection(work["task"])
    return None if why is None else f"no agent can do this task: {why}"


def _task(task: Task, veil: Veil, at: str) -> Any:
    """The task object without members that say nothing, and without secrets."""
    plain = msgspec.to_builtins(form(task))
    if isinstance(plain, str):
        return plain
    [(name, payload)] = literal(plain).items()
    if isinstance(payload, dict):
        payload = {key: value for key, value in payload.items() if value is not None and value != {}}
    match name:
        case "http_ping":
            payload = veil.url(payload, at)
        case "http_request":
            payload["url"] = veil.url(payload["url"], at)
            if "headers" in payload:
                headers = payload["headers"].items()
                payload["headers"] = {header: veil.header(header, value, at) for header, value in headers}
            if "body" in payload:
                payload["body"] = veil.text("body", payload["body"], at)
        case "execute":
            payload["args"] = veil.arguments(payload["args"], at)
        case "edit_config":
            payload = veil.secret("config", payload, at, "the configuration")
    return {name: payload}
