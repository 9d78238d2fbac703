"""The units: systemd takes them, finds little exposed, and what they start tells that it is ready."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.service_manager import open_service_manager
from tests.processes import ROOT, ROOT_DIRECTORY, agent_config, run

UNITS = sorted((ROOT_DIRECTORY / "deploy/systemd").glob("*.service"))
PROGRAM = "/opt/cronprobe/bin/cronprobe"
MOST_EXPOSED = 20
"""Tenths of systemd's points, of 100: what opens sockets and takes connections has about 13."""
AGENT = "e8583352-39e8-5a5b-b66c-e450689088fd"


def names(unit: Path) -> str:
    return unit.stem


def settings(unit: Path, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)


@pytest.mark.external("systemd-analyze")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace(PROGRAM, sys.executable))
    command = ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / unit.name) for unit in UNITS)]
    verified = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")


@pytest.mark.external("systemd-analyze")
@pytest.mark.parametrize("unit", UNITS, ids=names)
def test_little_is_exposed(unit: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED}", str(unit)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("unit", UNITS, ids=names)
async def test_what_a_unit_starts_tells_that_it_is_ready(unit: Path, tmp_path: Path) -> None:
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    (jobs / "a.yaml").write_text(
        'version: 1\njobs:\n  a: {schedule: "@daily", agents: [e8583352-39e8-5a5b-b66c-e450689088fd], task: ip}\n'
    )
    agent_config(tmp_path, name="agent", uuid=AGENT, server_uuid=AGENT, token="key:secret", url="http://127.0.0.1:1")
    (tmp_path / "token").write_text(ROOT)
    places = {"%S": str(tmp_path), "%d": str(tmp_path), "/etc/cronprobe/jobs": str(jobs), ":2211": ":0", ":2212": ":0"}

    def placed(text: str) -> list[str]:
        for place, here in places.items():
            text = text.replace(place, here)
        return shlex.split(text)

    [start] = settings(unit, "ExecStart")
    program, *arguments = placed(start)
    assert program == PROGRAM
    environment = dict(pair.split("=", 1) for text in settings(unit, "Environment") for pair in placed(text))
    with open_service_manager(tmp_path / "notify") as manager:
        async with run(*arguments, directory=tmp_path, **environment, **manager.environment) as process:
            assert (await manager.told())["READY"] == "1"
            await process.stop()


def test_units_that_fire_jobs_reload_and_all_are_watched() -> None:
    firing = {unit.stem for unit in UNITS if settings(unit, "ExecReload") == ["/bin/kill -HUP $MAINPID"]}
    assert firing == {"cronprobe", "cronprobe-scheduler"}
    assert {(*settings(unit, "Type"), *settings(unit, "WatchdogSec")) for unit in UNITS} == {("notify", "30s")}
