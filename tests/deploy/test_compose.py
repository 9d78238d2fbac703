"""The compose set without its engine: Compose takes it, its parts fit together, and its enrolment is done for real."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.externals import INSTALL, absent
from tests.processes import ROOT_DIRECTORY, START_S, call, run, run_server

DEPLOY = ROOT_DIRECTORY / "deploy"
FILE = DEPLOY / "compose.yaml"
SERVICES: dict[str, Any] = yaml.safe_load(FILE.read_text())["services"]


def compose(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Docker's plugin, or the program that it was before."""
    is_plugin = bool(shutil.which("docker")) and not subprocess.call(
        ["docker", "compose", "version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    if not is_plugin and shutil.which("docker-compose") is None:
        absent(f"neither docker compose nor docker-compose is installed; run: {INSTALL['docker-compose']}")
    command = ["docker", "compose"] if is_plugin else ["docker-compose"]
    return subprocess.run([*command, "-f", str(FILE), *arguments], capture_output=True, text=True, timeout=60)


def make_passwords(folder: Path) -> Path:
    """``.env``, by the command that ``.env.example`` gives."""
    example = (DEPLOY / ".env.example").read_text()
    [command] = re.findall(r"^#   (awk .*)$", example, re.MULTILINE)
    (folder / ".env.example").write_text(example)
    subprocess.run(["/bin/sh", "-euc", command], cwd=folder, check=True, timeout=30)
    return folder / ".env"


def test_the_passwords_are_made_and_none_is_in_the_repository(tmp_path: Path) -> None:
    passwords = re.findall(r"^\w+_PASSWORD=(.*)$", make_passwords(tmp_path).read_text(), re.MULTILINE)
    assert [bool(re.fullmatch(r"[0-9a-f]{48}", password)) for password in passwords] == [True, True]
    assert passwords[0] != passwords[1]
    assert re.findall(r"_PASSWORD=(.*)", (DEPLOY / ".env.example").read_text()) == ["", ""]


def test_compose_takes_the_set_with_passwords_and_not_without(tmp_path: Path) -> None:
    with_passwords = compose("--env-file", str(make_passwords(tmp_path)), "config", "--quiet")
    assert with_passwords.returncode == 0, with_passwords.stderr
    (tmp_path / "empty").touch()
    without = compose("--env-file", str(tmp_path / "empty"), "config", "--quiet")
    assert without.returncode != 0
    assert "make .env as .env.example says" in without.stderr


def test_what_is_mounted_from_the_repository_is_there() -> None:
    mounts = [mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])]
    here = {mount for mount in mounts if mount.startswith(".")}
    assert len(here) == 5
    assert [mount for mount in here if not (DEPLOY / mount).exists()] == []


def test_everything_waits_for_the_health_of_what_it_needs_and_listens_on_this_machine_only() -> None:
    for service in SERVICES.values():
        for needed, rule in service.get("depends_on", {}).items():
            assert rule["condition"] in ("service_healthy", "service_completed_successfully")
            is_checked = "test" in SERVICES[needed].get("healthcheck", {}) or needed == "server"  # the image's own
            assert is_checked == (rule["condition"] == "service_healthy")
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_grafana_finds_prometheus_under_the_uid_of_the_dashboards() -> None:
    usual, ours = (
        yaml.safe_load((ROOT_DIRECTORY / file).read_text())["datasources"][0]
        for file in ("grafana/provisioning/datasources/prometheus.yaml", "deploy/compose/grafana-datasource.yaml")
    )
    assert {**usual, "url": "", "jsonData": {}} == {**ours, "url": "", "jsonData": {}}


@pytest.mark.external("prometheus")
@pytest.mark.parametrize("name", ["prometheus.yml", "compose.yml"])
def test_prometheus_takes_its_configurations(name: str) -> None:
    command = ["promtool", "check", "config", str(DEPLOY / "prometheus" / name)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def enrol(folder: Path, state: Path, url: str) -> None:
    """What the service of this name does, with a folder for its volumes."""
    bin_folder = folder / "bin"
    bin_folder.mkdir(exist_ok=True)
    (bin_folder / "cronprobe").write_text(f'#!/bin/sh\nexec {sys.executable} -m cli "$@"\n')
    (bin_folder / "cronprobe").chmod(0o755)
    [script] = SERVICES["enrol"]["command"]
    environment = {
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT_DIRECTORY),
        "CRONPROBE_SERVER": SERVICES["enrol"]["environment"]["CRONPROBE_SERVER"].replace("http://server:2211", url),
        "CRONPROBE_STATE_DIR": str(state),
    }
    command = [*SERVICES["enrol"]["entrypoint"], script.replace("/etc/cronprobe", str(folder))]
    subprocess.run(command, env=environment, check=True, timeout=60)


async def test_the_enrolment_gives_scheduler_and_agent_all_they_need_and_is_done_once(tmp_path: Path) -> None:
    for volume in ("scheduler", "agent"):
        (tmp_path / volume).mkdir()
    token, file = tmp_path / "scheduler/token", tmp_path / "agent/agent.toml"
    async with run_server(tmp_path / "state") as server, call(server.url) as caller:
        kept = []
        for _ in range(2):
            await asyncio.to_thread(enrol, tmp_path, tmp_path / "state", server.url)
            kept.append((token.read_text(), file.read_text()))
        assert kept[0] == kept[1]
        fires = ("scheduler", DEPLOY / "compose/jobs", "--server", server.url, "--token-file", token)
        async with (
            run("agent", "-c", file, directory=tmp_path) as agent,
            run(*fires, directory=tmp_path) as scheduler,
        ):
            await server.process.says("agent connected")
            async with asyncio.timeout(START_S):
                while len(await caller.call("crontab_get")) != 4:
                    await asyncio.sleep(0.05)
            await scheduler.stop()
            await agent.stop()
        await server.process.stop()
