"""
A Dockerfile read, and its steps done without Docker: each stage is a directory that stands for the root of its image.

Only what ours uses: FROM, WORKDIR, COPY, RUN, ENV, ARG and what an image says of itself. Owners are not changed.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

STEP_S = 300.0
_OURS = r"(?<![\w./])/(?=(?:src|wheels|opt/cronprobe|var/lib/cronprobe|etc/cronprobe)\b)"
_NOT_SENT = shutil.ignore_patterns("__pycache__")
"""What .dockerignore keeps from folders that are copied."""


class Step(NamedTuple):
    """An instruction and what follows it."""

    instruction: str
    text: str


def read(file: Path) -> list[Step]:
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [Step(*line.split(maxsplit=1)) for line in joined.splitlines() if line]


def stages(steps: Sequence[Step]) -> list[list[Step]]:
    """The steps by stage, each beginning with its FROM."""
    starts = [number for number, step in enumerate(steps) if step.instruction == "FROM"]
    return [list(steps[start:end]) for start, end in zip(starts, [*starts[1:], None], strict=True)]


class Image(NamedTuple):
    """What the steps left: the root, the environment, and what the last stage says of itself."""

    root: Path
    environment: Mapping[str, str]
    steps: Sequence[Step]

    def said(self, instruction: str) -> str:
        """What follows the only instruction of this name in the last stage."""
        [text] = [step.text for step in self.steps if step.instruction == instruction]
        return text

    def command(self, instruction: str) -> list[str]:
        """The words of an instruction in exec form."""
        words: list[str] = json.loads(self.said(instruction)[self.said(instruction).index("[") :])
        return words


def build(file: Path, context: Path, root: Path, arguments: Mapping[str, str]) -> Image:
    """Do the steps. A stage that another one copies from is moved aside, so that only what was copied is left."""
    before: dict[str, Path] = {}
    environment: dict[str, str] = {}
    stage: list[Step] = []
    for stage in stages(read(file)):
        root.mkdir()
        environment = {**_inherited(), **dict(_pairs(stage, "ARG")), **arguments}
        workdir = root
        for step in stage:
            text = re.sub(_OURS, f"{root}/", step.text)
            match step.instruction:
                case "ENV":
                    environment |= dict(word.split("=", 1) for word in shlex.split(text))
                case "WORKDIR":
                    workdir = Path(text)
                    workdir.mkdir(parents=True, exist_ok=True)
                case "COPY":
                    _copy(step.text, context, workdir, root, before)
                case "RUN":
                    subprocess.run(["/bin/sh", "-euc", text], cwd=workdir, env=environment, check=True, timeout=STEP_S)
        named = re.search(r" AS (\w+)$", stage[0].text)
        if named:
            before[named[1]] = root.rename(root.with_name(f"{root.name}-{named[1]}"))
    return Image(root, environment, stage)


def _inherited() -> dict[str, str]:
    """Of this process only what finds programs and the package index."""
    kept = {
        name: value for name, value in os.environ.items() if name.startswith(("PIP_", "HOME", "SSL_", "http", "no_p"))
    }
    return {**kept, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def _pairs(stage: Sequence[Step], instruction: str) -> Iterator[tuple[str, str]]:
    for step in stage:
        if step.instruction == instruction:
            name, _, value = step.text.partition("=")
            yield name, value


def _copy(text: str, context: Path, workdir: Path, root: Path, before: Mapping[str, Path]) -> None:
    flags = [word for word in text.split() if word.startswith("--")]
    *sources, target = (word for word in text.split() if not word.startswith("--"))
    source_root = before[flags[0].removeprefix("--from=")] if flags else context
    destination = root / target.lstrip("/") if target.startswith("/") else workdir / target
    for source in sources:
        found = source_root / source.lstrip("/")
        if found.is_dir():
            shutil.copytree(found, destination, symlinks=True, ignore=None if flags else _NOT_SENT)
        else:
            shutil.copy(found, destination)
