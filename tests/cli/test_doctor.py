"""``cronprobe doctor`` on machines that are really broken: it names all that is, and what to do about it."""

import json
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.processes import ROOT, agent_config, agent_token_limits, call, run_server, say

AGENT = "e8583352-39e8-5a5b-b66c-e450689088fd"
OTHER = "0b6a6d2e-7f0e-4c39-9d7a-1f5f0c1a9e11"
JOBS = f"""version: 1
agents: {{local: {{uuid: {AGENT}}}}}
defaults: {{agents: all}}
jobs:
  here: {{schedule: "* * * * *", task: {{ping: 127.0.0.1}}}}
"""
NO_RAW_SOCKETS = ("setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw")
NO_PING_GROUP = ("unshare", "--net", "--map-root-user", *NO_RAW_SOCKETS)
"""In a new network namespace no group may ping: net.ipv4.ping_group_range is "1 0"."""

IS_ROOT = os.geteuid() == 0
NO_OVERRIDE = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all") if IS_ROOT else ()
"""Root that must keep to the modes of files, as anybody else."""


async def examine(
    *arguments: str | Path, directory: Path, token: str = ROOT, under: Sequence[str] = ()
) -> tuple[int, list[dict[str, Any]]]:
    """The exit code and what is not fine."""
    code, said = await say("doctor", "-o", "json", *arguments, directory=directory, under=under, CRONPROBE_TOKEN=token)
    return code, [finding for finding in json.loads(said) if finding["health"] == "fail"]


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


async def test_a_machine_where_all_is_well_is_fine(tmp_path: Path) -> None:
    (tmp_path / "jobs.yaml").write_text(JOBS)
    async with run_server(tmp_path / "state") as server, call(server.url) as root:
        token = await root.make_token(agent_token_limits(AGENT))
        config = agent_config(tmp_path, name="a", uuid=AGENT, server_uuid=server.uuid, token=token, url=server.url)
        arguments = ("jobs.yaml", "--server", server.url, "--state-dir", tmp_path / "state", "-c", config)
        code, failures = await examine(*arguments, directory=tmp_path)
        assert (code, failures) == (0, [])
        code, said = await say("doctor", *arguments, directory=tmp_path, CRONPROBE_TOKEN=ROOT)
        assert code == 0
        for line in (
            "ok    store: a server has the database open",
            "ok    server: WebSockets come through",
            "ok    token: rootkey may do everything: it is the root token",
            f"ok    agent: here ({server.url.replace('http', 'ws')}) answers, is the right one, and knows the token",
            "ok    jobs: 1 jobs without a mistake",
            f"warn  agent: {config} has a token, and anybody can read it",
            f"      chmod 0600 {config}",
        ):
            assert line in said.splitlines()


async def test_each_of_seven_broken_things_is_named_with_its_remedy(tmp_path: Path) -> None:
    state = tmp_path / "broken"
    state.mkdir()
    state.chmod(0o755)
    (state / "root-token").write_text(ROOT)
    (state / "root-token").chmod(0o644)
    (state / "cronprobe.db").write_bytes(b"no database" * 1000)
    (tmp_path / "jobs.yaml").write_text(JOBS.replace("ping:", "pign:"))
    port = closed_port()
    async with run_server(tmp_path / "state") as server, call(server.url) as root:
        token = await root.make_token(agent_token_limits(AGENT))
        await root.call("token_delete", token.partition(":")[0])
        url = f"http://127.0.0.1:{port}"
        config = agent_config(tmp_path, name="a", uuid=AGENT, server_uuid=server.uuid, token=token, url=url)
        code, failures = await examine(
            *("jobs.yaml", "--server", server.url, "--state-dir", state, "-c", config),
            directory=tmp_path,
            token=token,
            under=("prlimit", "--nofile=256:256"),
        )
    assert code == 1
    found = [(failure["check"], failure["found"].replace(str(tmp_path), "")) for failure in failures]
    assert [(check, text) for check, text in found if check != "agent"] == [
        ("limits", "256 open files at most, for agents and probes together"),
        ("permissions", "/broken has mode 0755: others can use it"),
        ("permissions", "/broken/root-token has mode 0644: others can use it"),
        ("store", "/broken/cronprobe.db: file is not a database"),
        ("token", "token_get: Permission denied: Invalid credentials (code 102)"),
        ("jobs", "jobs.yaml:5:33: jobs.here.task: unknown task type 'pign'; did you mean ping?"),
    ]
    [closed] = [text for check, text in found if check == "agent"]
    assert closed.startswith(f"here (ws://127.0.0.1:{port}): ")
    assert all(failure["remedy"] for failure in failures)


async def test_a_machine_that_may_not_ping_is_told_how_it_could(tmp_path: Path) -> None:
    _, failures = await examine("-c", "none.toml", directory=tmp_path, under=NO_PING_GROUP)
    [icmp] = [failure for failure in failures if failure["check"] == "icmp"]
    assert icmp["found"] == "no ICMP socket may be opened here: pings end as unknown / internal"
    assert "sysctl -w net.ipv4.ping_group_range" in icmp["remedy"]


async def test_a_state_directory_that_may_not_be_used_is_told(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(0o500)
    arguments = ("-c", "none.toml", "--state-dir", state)
    _, failures = await examine(*arguments, directory=tmp_path, under=NO_OVERRIDE)
    [store] = [failure for failure in failures if failure["check"] == "store"]
    assert (store["found"], store["remedy"]) == (
        f"{state} cannot be written",
        f"run as its owner (uid {os.geteuid()}), or choose another --state-dir",
    )
    state.chmod(0)
    _, failures = await examine(*arguments, directory=tmp_path, under=NO_OVERRIDE)
    assert {failure["remedy"] for failure in failures if failure["check"] in ("secrets", "database")} == {
        "run the doctor as the user that runs cronprobe, or as root"
    }
    state.chmod(0o700)


async def test_an_agent_whose_file_names_another_server_is_told(tmp_path: Path) -> None:
    async with run_server(tmp_path / "state") as server, call(server.url) as root:
        token = await root.make_token(agent_token_limits(AGENT))
        config = agent_config(tmp_path, name="a", uuid=AGENT, server_uuid=OTHER, token=token, url=server.url)
        _, [wrong] = await examine("-c", config, directory=tmp_path)
        assert wrong["found"].endswith(f" is {server.uuid}, the file says {OTHER}")
        config = agent_config(tmp_path, name="a", uuid=AGENT, server_uuid=server.uuid, token="no:no", url=server.url)
        _, [wrong] = await examine("-c", config, directory=tmp_path)
        assert "Invalid credentials" in wrong["found"]
        config.write_text("agent_uuid = 5\n")
        _, [wrong] = await examine("-c", config, directory=tmp_path)
        assert wrong["found"] == f"{config}: server: found no server; add a [[server]] table"


async def test_a_proxy_that_drops_the_upgrade_is_found(tmp_path: Path) -> None:
    """As one that was made for plain HTTP: it passes calls and pages, and no WebSocket."""

    async def answer(request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.Response(text="ready\n")
        token = {"token_key": "k", "timestamp_from": None, "timestamp_to": None, "token_limit": [], "username": None}
        return web.json_response({"jsonrpc": "2.0", "id": 1, "result": token})

    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        code, failures = await examine("--server", url, directory=tmp_path)
    finally:
        await runner.cleanup()
    assert code == 1
    assert ("server", "no WebSocket: the upgrade is answered 200") in [(one["check"], one["found"]) for one in failures]
