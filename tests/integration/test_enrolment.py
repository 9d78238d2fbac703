"""An agent joins with the file that ``cronprobe token create agent --toml`` printed, and nothing else."""

from pathlib import Path

from tests.processes import ROOT, call, run, run_server, say

AGENT = "e8583352-39e8-5a5b-b66c-e450689088fd"


async def test_the_printed_file_is_all_that_an_agent_needs(tmp_path: Path) -> None:
    async with run_server(tmp_path / "state") as server:
        command = ("token", "create", "agent", "--agent", AGENT.upper(), "--toml", "--server", server.url)
        code, file = await say(*command, "--state-dir", tmp_path / "state", directory=tmp_path)
        assert code == 0, file
        (tmp_path / "agent.toml").write_text(file)
        async with run("agent", "-c", "agent.toml", directory=tmp_path) as agent, call(server.url) as caller:
            await server.process.says("agent connected")
            blocking = {"agent_uuid": AGENT, "task_type": {"tcp_ping": f"127.0.0.1:{server.port}"}}
            assert (await caller.call("task_create_task_blocking", *blocking.values(), 5_000))["success"]
            await agent.stop()
        assert "unknown key" not in agent.output
        await server.process.stop()


async def test_only_an_agent_has_a_file(tmp_path: Path) -> None:
    code, said = await say("token", "create", "reader", "--toml", directory=tmp_path, CRONPROBE_TOKEN=ROOT)
    assert code == 2
    assert said == "cronprobe: --toml: only an agent has a file; want token create agent --agent UUID --toml\n"
