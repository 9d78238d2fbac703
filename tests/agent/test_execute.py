"""``execute``: real programs, what they say, and that they are gone when their time is."""

import asyncio
import os
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from agent.probes.execute import compose
from agent.probes.interface import Ending, Failed, Found
from protocol.outcomes import Reason
from protocol.tasks.execute import Execute
from tests.agent.probing import probes_of, work
from tests.vector_cases import vectors

NEVER_S = 60


async def execute(cmd: str, *args: str, **settings: Any) -> Ending:
    async with probes_of(**settings) as probes:
        return await probes["execute"].run(work("execute", Execute(cmd, list(args))))


def shell(script: str, **settings: Any) -> Any:
    return execute("sh", "-c", script, **settings)


async def gone(pid: int) -> None:
    async with asyncio.timeout(5):
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.01)


@vectors("execute_output")
def test_outputs_are_composed_as_recorded(case: dict[str, Any]) -> None:
    most = case["exec_max_character"]
    kept = [case[name].encode()[:most] for name in ("stdout", "stderr")]
    assert compose(*kept, case["exit_code"], most) == case["result"]


@vectors("execute_output")
async def test_programs_say_what_was_recorded(case: dict[str, Any]) -> None:
    end = "kill -9 $$" if case["exit_code"] < 0 else f"exit {case['exit_code']}"
    script = f"printf %s {shlex.quote(case['stdout'])}; printf %s {shlex.quote(case['stderr'])} >&2; {end}"
    assert await shell(script, exec_max_character=case["exec_max_character"]) == Found(case["result"])


async def test_arguments_are_passed_as_they_are() -> None:
    assert await execute("printf", "%s|", "$HOME", "a b", "*", "") == Found("$HOME|a b|*||")


async def test_a_program_has_the_agents_environment_and_directory() -> None:
    assert await shell('printf %s "$PWD $PATH"') == Found(f"{Path.cwd()} {os.environ['PATH']}")


@pytest.mark.parametrize(
    ("cmd", "args"), [("/no/such/program", []), ("/", []), ("a\0b", []), ("true", ["a\0b"]), ("", ["x"])]
)
async def test_what_cannot_start_says_so(cmd: str, args: list[str]) -> None:
    blank = "Other error: Invalid input: Execute command cannot be empty"
    text = "Other error: Other error: Command execution failed" if cmd else blank
    assert await execute(cmd, *args) == Failed(Reason.PROBE_ERROR, text)


async def test_output_without_end_is_dropped_as_it_comes() -> None:
    before = psutil.Process().memory_info().rss
    ending = await execute(sys.executable, "-c", "import sys; [sys.stdout.write('x' * 2**20) for _ in range(200)]")
    assert ending == Found("x" * 10_000)
    assert psutil.Process().memory_info().rss - before < 50 * 2**20


async def test_bytes_that_are_no_text_become_replacement_characters() -> None:
    assert await shell(r"printf 'a\377b'") == Found("a\N{REPLACEMENT CHARACTER}b")


async def test_a_program_that_takes_too_long_is_ended_with_its_group(tmp_path: Path) -> None:
    """One that ignores SIGTERM and one in the background are in the group as well."""
    pids = tmp_path / "pids"
    script = f"trap '' TERM; sleep {NEVER_S} & echo $! $$ > {pids}; wait; sleep {NEVER_S}"
    async with probes_of(execute_timeout_ms=500) as probes:
        start_s = time.monotonic()
        ending = await probes["execute"].run(work("execute", Execute("sh", ["-c", script])))
        assert time.monotonic() - start_s < 1.5
        text = "Other error: Other error: Execution timed out (Limit: 0.5s)"
        assert ending == Failed(Reason.TIMEOUT, text)
        for pid in map(int, pids.read_text().split()):
            await gone(pid)


async def test_a_child_that_keeps_the_pipe_is_waited_for_and_ended(tmp_path: Path) -> None:
    ending = await shell(f"sleep {NEVER_S} & echo started", execute_timeout_ms=300)
    assert isinstance(ending, Failed)
    assert ending.reason is Reason.TIMEOUT


async def test_a_child_in_the_background_without_the_pipe_is_left_alone(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    assert await shell(f"sleep {NEVER_S} >/dev/null 2>&1 & echo $! > {pid}; echo done") == Found("done\n")
    daemon = psutil.Process(int(pid.read_text()))
    assert daemon.is_running()
    daemon.kill()


async def test_a_cancelled_run_leaves_nothing_behind(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    running = asyncio.ensure_future(shell(f"echo $$ > {pid}.new; mv {pid}.new {pid}; trap '' TERM; sleep {NEVER_S}; :"))
    async with asyncio.timeout(5):
        while not pid.exists():
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait([running])
    await gone(int(pid.read_text()))


async def test_an_agent_that_ends_kills_what_ignores_it(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    await shell(f"trap '' TERM; echo $$ > {pid}; sleep {NEVER_S}; :", execute_timeout_ms=300)
    await gone(int(pid.read_text()))


async def test_many_programs_run_at_once_and_leak_no_descriptor() -> None:
    descriptors = psutil.Process().num_fds()
    async with probes_of() as probes:
        runs = (probes["execute"].run(work("execute", Execute("echo", [str(n)]))) for n in range(40))
        assert await asyncio.gather(*runs) == [Found(f"{n}\n") for n in range(40)]
    assert psutil.Process().num_fds() <= descriptors + 1
