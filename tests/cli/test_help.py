"""The help teaches: every verb has an example, verbs are grouped; and shells are taught to complete."""

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from cli import PANELS, VERBS, app
from tests.processes import ROOT_DIRECTORY, say


def commands() -> Iterator[tuple[str, Any]]:
    """Every command that does something, by what one types."""
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    for verb in VERBS:
        command: Any = group.get_command(None, verb)
        parts = command.commands.items() if isinstance(command, TyperGroup) else [("", command)]
        yield from ((f"{verb} {part}".strip(), one) for part, one in parts)


@pytest.mark.parametrize(
    ("name", "command"), list(commands()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_the_help_of_each_verb_has_an_example_that_names_it(name: str, command: Any) -> None:
    assert "Example" in command.help
    assert f"cronprobe {name.split()[0]}" in command.help


async def test_the_help_groups_the_verbs_and_tells_the_exit_codes(tmp_path: Path) -> None:
    code, said = await say("--help", directory=tmp_path, COLUMNS="200")
    assert code == 0
    for panel in PANELS:
        assert f"─ {panel} ─" in said
    assert "Exit codes: 0 fine, 1 it ran and something failed, 2 a file or the call is wrong, 3 (plan)" in said


async def complete(directory: Path, *words: str) -> list[str]:
    """What bash is offered for the last word."""
    place = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from cli import app; app(prog_name='cronprobe')"),
        cwd=directory,
        env={**os.environ, **place, "PYTHONPATH": str(ROOT_DIRECTORY), "_CRONPROBE_COMPLETE": "complete_bash"},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 15)
    return said.decode().split()


async def test_verbs_options_types_and_jobs_are_completed(tmp_path: Path) -> None:
    (tmp_path / "jobs.yaml").write_text((ROOT_DIRECTORY / "jobs.example.yaml").read_text())
    (tmp_path / "wrong.yaml").write_text("version: 2\n")
    assert await complete(tmp_path, "cronprobe", "ta") == ["tail"]
    assert await complete(tmp_path, "cronprobe", "stats", "--bu") == ["--bucket"]
    assert await complete(tmp_path, "cronprobe", "create", "http") == ["http_ping", "http_request"]
    assert await complete(tmp_path, "cronprobe", "tail", "--type", "tc") == ["tcp_ping"]
    assert await complete(tmp_path, "cronprobe", "run", "jobs.yaml", "tcp") == ["tcp-self"]
    assert await complete(tmp_path, "cronprobe", "next", "wrong.yaml", "") == []


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("bash", "complete -o default -F _cronprobe_completion cronprobe"),
        ("zsh", "compdef _cronprobe_completion cronprobe"),
        ("fish", "complete --command cronprobe --no-files"),
    ],
)
async def test_the_script_of_each_shell_is_printed(tmp_path: Path, shell: str, line: str) -> None:
    code, said = await say("completion", shell, directory=tmp_path)
    assert (code, line in said) == (0, True)


async def test_bash_takes_the_script_and_completes_by_it(tmp_path: Path) -> None:
    cronprobe = tmp_path / "cronprobe"
    cronprobe.write_text(f"#!{sys.executable}\nfrom cli import main\n\nmain()\n")
    cronprobe.chmod(0o755)
    typed = (
        "source <(cronprobe completion bash); COMP_WORDS=(cronprobe do); COMP_CWORD=1; "
        '_cronprobe_completion cronprobe; echo "${COMPREPLY[@]}"'
    )
    process = await asyncio.create_subprocess_exec(
        *("bash", "--norc", "-c", typed),
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT_DIRECTORY)},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 20)
    assert said.decode().split() == ["doctor"]
