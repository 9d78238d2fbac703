"""What each process tells the service manager that started it, in the order of its life."""

import signal
from pathlib import Path

from tests.deploy.service_manager import open_service_manager
from tests.processes import ROOT, agent_config, run

AGENT = "e8583352-39e8-5a5b-b66c-e450689088fd"
JOBS = f'version: 1\nagents: {{local: {{uuid: {AGENT}}}}}\njobs:\n  a: {{schedule: "@daily", agents: all, task: ip}}\n'


async def test_up_tells_that_it_is_ready_that_it_reloads_and_that_it_stops(tmp_path: Path) -> None:
    file = tmp_path / "jobs.yaml"
    file.write_text(JOBS)
    arguments = ("up", file, "--listen", "127.0.0.1:0", "--no-agent")
    with open_service_manager(tmp_path / "notify") as manager:
        environment = {"CRONPROBE_ROOT_TOKEN": ROOT, **manager.environment}
        async with run(*arguments, directory=tmp_path, **environment) as up:
            assert await manager.told() == {"READY": "1", "STATUS": "fires 1 schedules"}
            up.process.send_signal(signal.SIGHUP)
            reloading = await manager.told()
            assert int(reloading.pop("MONOTONIC_USEC")) > 0
            assert reloading == {"RELOADING": "1", "STATUS": "reads the job files"}
            assert await manager.told() == {"READY": "1", "STATUS": "fires 1 schedules"}
            file.write_text("jobs: 1")
            assert (await manager.told())["STATUS"] == "job files have mistakes; fires 1 old schedules"
            up.process.send_signal(signal.SIGTERM)
            assert await manager.told() == {"STOPPING": "1", "STATUS": "stops"}
            assert await up.exit() == 0


async def test_a_scheduler_is_ready_while_its_server_is_away(tmp_path: Path) -> None:
    file = tmp_path / "jobs.yaml"
    file.write_text(JOBS)
    with open_service_manager(tmp_path / "notify") as manager:
        environment = {"CRONPROBE_TOKEN": ROOT, **manager.environment}
        arguments = ("scheduler", file, "--server", "http://127.0.0.1:1")
        async with run(*arguments, directory=tmp_path, **environment) as scheduler:
            assert (await manager.told())["READY"] == "1"
            await scheduler.stop()
            assert (await manager.told())["STOPPING"] == "1"


async def test_a_server_pings_a_manager_that_watches_in_the_abstract_namespace_too(tmp_path: Path) -> None:
    with open_service_manager(tmp_path / "notify", is_abstract=True) as manager:
        environment = {"CRONPROBE_ROOT_TOKEN": ROOT, "WATCHDOG_USEC": "300000", **manager.environment}
        async with run("server", "--listen", "127.0.0.1:0", directory=tmp_path, **environment) as server:
            ready = await manager.told()
            assert (ready["READY"], ready["STATUS"][:15]) == ("1", "serves on port ")
            for _ in range(3):
                assert await manager.any_told() == {"WATCHDOG": "1"}
            await server.stop()


async def test_an_agent_is_ready_while_its_server_is_away_and_pings_no_other_processs_manager(tmp_path: Path) -> None:
    file = agent_config(
        tmp_path, name="agent", uuid=AGENT, server_uuid=AGENT, token="key:secret", url="http://127.0.0.1:1"
    )
    with open_service_manager(tmp_path / "notify") as manager:
        environment = {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1", **manager.environment}
        async with run("agent", "-c", file, directory=tmp_path, **environment) as agent:
            assert await manager.any_told() == {"READY": "1", "STATUS": "probes for here"}
            await agent.stop()
            assert await manager.any_told() == {"STOPPING": "1", "STATUS": "stops"}


async def test_a_manager_that_cannot_be_told_is_a_warning_and_no_end(tmp_path: Path) -> None:
    environment = {"CRONPROBE_ROOT_TOKEN": ROOT, "NOTIFY_SOCKET": str(tmp_path / "nobody")}
    async with run("server", "--listen", "127.0.0.1:0", directory=tmp_path, **environment) as server:
        await server.says("service manager not told.*READY=1.*No such file")
        await server.stop()
