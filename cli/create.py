"""``cronprobe create``: one task now, and its result."""

from enum import StrEnum
from typing import Annotated, Any

import msgspec
import typer

from agent.permissions import SWITCHES
from cli.agents import agent_uuid
from cli.client import Client
from cli.options import (
    DEFAULT_SERVER,
    DEFAULT_STATE_DIR,
    ServerUrl,
    StateDir,
    TokenFile,
    TokenText,
    check_type,
    find_token,
)
from cli.screen import console, printable
from protocol.errors import ConfigError, Unreadable
from protocol.outcomes import Reason
from protocol.tasks import TASK_TYPES, read_task


class ResultOutput(StrEnum):
    """The form of one result."""

    TEXT = "text"
    JSON = "json"


def create(
    task_type: Annotated[
        str, typer.Argument(metavar="TYPE", help="Task type, such as ping.", autocompletion=lambda: TASK_TYPES)
    ],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="ARGUMENT…", help="Its target, or for execute the program.")
    ] = None,
    agent: Annotated[str, typer.Option(help="The agent that does it: name or UUID.")] = "local",
    method: Annotated[str, typer.Option(help="http_request: the method.")] = "GET",
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", help="http_request: 'name: value', repeatable.")
    ] = None,
    body: Annotated[str | None, typer.Option(help="http_request: the body.")] = None,
    ip: Annotated[str | None, typer.Option(help="http_request: 'ipv4 auto', 'ipv6 auto' or an address.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, max=300, help="Seconds to wait for the result.")] = 30,
    output: Annotated[ResultOutput, typer.Option("--output", "-o")] = ResultOutput.TEXT,
    server: ServerUrl = DEFAULT_SERVER,
    token_file: TokenFile = None,
    token: TokenText = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
) -> None:
    """
    Create one task, wait for its result, print it. When it did not succeed: the reason, and exit code 1.

    What follows `--` is taken as it is: `cronprobe create execute -- uname -a`

    Examples: `cronprobe create ping 127.0.0.1`, `cronprobe create --agent fra-1 http_request https://example.com/
    --method POST -H 'content-type: application/json' --body '{}'`
    """
    task = _task(task_type, arguments or [], _request(method, header or [], body, ip))
    client = Client(server, find_token(token_file, token, state_dir))
    params = {
        "target_uuid": agent_uuid(client, agent),
        "task_type": task,
        "timeout_ms": int(timeout * 1000),
    }
    reply = client.call("task_create_task_blocking", params, timeout_s=timeout + 5)
    response = msgspec.json.decode(reply)
    if output is ResultOutput.JSON:
        console.out(reply.decode(), highlight=False)
    elif response["success"]:
        _print_result(response["task_event_result"])
    else:
        console.out(printable(_why(client, response, task_type)), highlight=False)
    raise typer.Exit(0 if response["success"] else 1)


def _request(method: str, headers: list[str], body: str | None, ip: str | None) -> dict[str, object]:
    pairs = [header.partition(":") for header in headers]
    wrong = [name for name, colon, _ in pairs if not colon]
    if wrong:
        raise ConfigError(f"--header: {wrong[0]!r} has no colon; want 'name: value'")
    return {
        "method": method,
        "headers": {name.strip(): value.strip() for name, _, value in pairs},
        "body": body,
        "ip": ip,
    }


def _task(name: str, arguments: list[str], request: dict[str, object]) -> object:
    task: object
    match name, arguments:
        case "http_request", [url]:
            task = {name: {"url": url, **request}}
        case "execute", [program, *rest]:
            task = {name: {"cmd": program, "args": rest}}
        case "dns", [domain, *types]:
            task = {name: {"domain": domain, "record_types": types or ["a"]}}
        case _, []:
            task = name
        case _, [target]:
            task = {name: target}
        case _:
            task = {name: arguments}
    task_type = TASK_TYPES[check_type(name, "TYPE")]
    if not arguments and task_type.read_task is not None:
        raise ConfigError(f"ARGUMENT: {name}: found none; want its target, or for execute the program")
    try:
        read_task(msgspec.json.encode(task))
    except Unreadable as e:
        raise ConfigError(f"ARGUMENT: {name}: {e}") from e
    return task


def _why(client: Client, response: dict[str, Any], task_type: str) -> str:
    """What the server makes of a failure: outcome and reason, and which switch would permit what was refused."""
    conditions = [{"task_id": response["task_id"]}, {"uuid": response["agent_uuid"]}, {"type": task_type}]
    query: dict[str, object] = {"task_data_query": {"condition": conditions, "detail": True}}
    [row] = msgspec.json.decode(client.call("task_query_task", query))
    message = response["error_message"] or "no message"
    if row["reason"] == Reason.REFUSED.word:
        switch = (row["detail"] or {}).get("switch") or SWITCHES[task_type]
        local = "" if task_type.endswith("_config") else f", or start cronprobe up with --allow {task_type}"
        message = f"set {switch} in the agent's file{local} ({message})"
    return f"{row['reason']}: {message}"


def _print_result(result: dict[str, Any] | None) -> None:
    for value in (result or {}).values():
        text = f"{value:.3f} ms" if isinstance(value, float) else value
        console.out(text if isinstance(text, str) else msgspec.json.encode(value).decode(), highlight=False)
