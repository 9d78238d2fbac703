"""``cronprobe tail``, ``top`` and ``agents`` as people run them, against a server with scripted agents."""

import asyncio
import itertools
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.fakes import BATCHING, Caller, open_agent
from tests.processes import ROOT, ROOT_DIRECTORY, call, run, run_server, say
from tests.server.rig import AGENT, OTHER, new_task
from tests.terminals import open_terminal

LIMIT_S = 15
REFUSED: dict[str, Any] = {"success": False, "error_message": "no\nanswer", "reason": "connect_refused"}
TICKS = itertools.count()


class Scene:
    """A server with one agent that answers what it is told to; another agent is away."""

    def __init__(self, root: Caller, directory: Path, port: int) -> None:
        self.root = root
        self.directory = directory
        self.port = port

    async def runs(self, job: str, *latencies: float | None, **members: object) -> None:
        """Runs of a job that end now; ``None`` is a refused connection."""
        tasks = [new_task(next(TICKS), cron_source=job, agent_name="fra-1", **members) for _ in latencies]
        async with open_agent(self.root.http, self.root.url, ROOT, AGENT, BATCHING) as agent:
            await self.root.call("task_create_batch", tasks)
            for task, latency in zip(await agent.tasks(len(tasks)), latencies, strict=True):
                result = REFUSED if latency is None else {"result": {"ping": latency}}
                await agent.upload(agent.response(task, **result))

    async def offline(self, job: str) -> None:
        """A tick whose agent is away."""
        task = new_task(next(TICKS), cron_source=job, target_uuid=OTHER, agent_name="ams-1")
        await self.root.call("task_create_batch", [task])

    def command(self, *arguments: str) -> Any:
        """A command at this server, while it is open."""
        return run(*arguments, "--server", self.root.url, directory=self.directory, CRONPROBE_TOKEN=ROOT)

    async def say(self, *arguments: str) -> tuple[int, str]:
        """A command at this server to its end."""
        return await say(*arguments, "--server", self.root.url, directory=self.directory, CRONPROBE_TOKEN=ROOT)


@asynccontextmanager
async def open_scene(directory: Path, port: int = 0) -> AsyncIterator[Scene]:
    async with run_server(directory / "state", port=port) as server, call(server.url) as root:
        yield Scene(root, directory, server.port)
        await server.process.stop()


async def test_tail_shows_what_is_stored_and_what_comes(tmp_path: Path) -> None:
    async with open_scene(tmp_path) as scene:
        await scene.runs("web", 1.5, 2.5, 3.5)
        async with scene.command("tail", "-n", "2", "--until-count", "4") as tail:
            await tail.says(r"3\.50 ms")
            assert "1.50 ms" not in tail.output
            await scene.runs("edge", None)
            await scene.offline("away")
            assert await tail.exit() == 0
        lines = [re.sub(r"^\d\d:\d\d:\d\d +", "", line).split() for line in tail.output.splitlines()]
        assert lines == [
            ["web", "fra-1", "ping", "ok", "2.50", "ms"],
            ["web", "fra-1", "ping", "ok", "3.50", "ms"],
            ["edge", "fra-1", "ping", "failed", "connect_refused", "no\N{REPLACEMENT CHARACTER}answer"],
            ["away", "ams-1", "ping", "unknown", "agent_offline", "Agent", OTHER, "is", "not", "connected"],
        ]


async def test_tail_filters_and_tells_rows_as_the_protocol_does(tmp_path: Path) -> None:
    async with open_scene(tmp_path) as scene:
        await scene.runs("web", 1.5, None)
        await scene.runs("edge", None)
        arguments = ("tail", "--cron-source", "web", "--type", "ping", "--agent", "fra-1", "--failed", "-o", "json")
        async with scene.command(*arguments, "--until-count", "2") as tail:
            await tail.says("connect_refused")
            await scene.runs("edge", None)
            await scene.runs("web", 2.5, None)
            assert await tail.exit() == 0
        rows = [json.loads(line) for line in tail.output.splitlines()]
        condition = ({"cron_source": "web"}, "is_failure")
        assert rows == sorted(await scene.root.rows(*condition, detail=True), key=lambda row: row["task_id"])


async def test_tail_says_that_the_server_is_gone_and_shows_what_was_missed(tmp_path: Path) -> None:
    async with open_scene(tmp_path) as scene:
        await scene.runs("web", 1.5)
        url, port = scene.root.url, scene.port
        tail = run("tail", "--server", url, directory=tmp_path, CRONPROBE_TOKEN=ROOT)
        process = await tail.__aenter__()
        await process.says("1.50 ms")
    try:
        await process.says(r"cronprobe: tail: .*; trying again in")
        async with open_scene(tmp_path, port) as scene:
            await scene.runs("web", 2.5, 3.5)
            await process.says("3.50 ms")
            assert [process.output.count(text) for text in ("1.50 ms", "2.50 ms", "3.50 ms")] == [1, 1, 1]
            process.process.send_signal(signal.SIGINT)
            assert await process.exit() == 0
    finally:
        await tail.__aexit__(None, None, None)


async def test_tail_ends_well_when_its_reader_has_seen_enough(tmp_path: Path) -> None:
    async with open_scene(tmp_path) as scene:
        await scene.runs("web", *[float(number) for number in range(1, 30)])
        command = f"set -o pipefail; {sys.executable} -m cli tail -n 29 --server {scene.root.url} | head -n 2"
        process = await asyncio.create_subprocess_exec(
            *("bash", "-c", command),
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT_DIRECTORY), "CRONPROBE_TOKEN": ROOT, "NO_COLOR": "1"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(LIMIT_S):
            while process.returncode is None:  # it notices with the next line that it writes
                await scene.runs("web", 1.0)
                await asyncio.wait([asyncio.ensure_future(process.wait())], timeout=0.2)
            said, complaints = await process.communicate()
        assert (process.returncode, len(said.splitlines()), complaints) == (0, 2, b"")


async def test_a_token_that_may_not_follow_is_told_so(tmp_path: Path) -> None:
    async with open_scene(tmp_path) as scene:
        token = await scene.root.make_token([])
        code, said = await say("tail", "--server", scene.root.url, directory=tmp_path, CRONPROBE_TOKEN=token)
        assert code == 1
        assert "Insufficient permissions to read requested task types" in said
    code, said = await say("tail", "--server", "http://127.0.0.1:1", directory=tmp_path, CRONPROBE_TOKEN=ROOT)
    wanted = "http://127.0.0.1:1: Connection refused; is a cronprobe server running there? See --server"
    assert (code, said) == (1, f"cronprobe: {wanted}\n")


async def test_agents_are_listed_those_that_are_away_first(tmp_path: Path) -> None:
    async with open_scene(tmp_path) as scene:
        await scene.runs("web", 1.5)
        await scene.offline("away")
        async with open_agent(scene.root.http, scene.root.url, ROOT, AGENT, BATCHING):
            code, table = await scene.say("agents")
            _, listed = await scene.say("agents", "-o", "json")
        head, away, here = (line.split() for line in table.splitlines())
        assert code == 0
        assert " ".join(head) == "agent uuid connected version last seen skew ms running labels"
        assert away == ["ams-1", OTHER, "no", "0"]
        assert here[:3] == ["fra-1", AGENT, "yes"]
        assert {agent["name"]: agent["connected"] for agent in json.loads(listed)} == {"ams-1": False, "fra-1": True}


async def test_top_without_a_terminal_prints_once_failing_first(tmp_path: Path) -> None:
    async with open_scene(tmp_path) as scene:
        await scene.runs("web", 1.5, 2.5)
        await scene.runs("edge", 1.5, None)
        await scene.offline("away")
        code, table = await scene.say("top")
        assert code == 0
        head, *lines = (line.split() for line in table.splitlines())
        assert head == ["job", "agent", "state", "ms", "p95", "ok", "failed", "unknown", "age", "last", "reason"]
        shown = [[word for word in line if not re.fullmatch(r"\d+s", word)] for line in lines]
        assert shown == [
            ["edge", "fra-1", "failed", "1.50", "1", "1", "0", "connect_refused"],
            ["away", "ams-1", "unknown", "0", "0", "1", "agent_offline"],
            ["web", "fra-1", "ok", "2.50", "2.50", "2", "0", "0"],
        ]
        _, text = await scene.say("top", "--once", "-o", "json", "--agent", "fra-1", "--cron-source", "web")
        [standing] = json.loads(text)
        assert (standing["job"], standing["outcome"], standing["ok"], standing["p95_ms"]) == ("web", "ok", 2, 2.5)


async def test_top_shows_the_worst_cell_and_what_is_degraded_or_in_maintenance(tmp_path: Path) -> None:
    async with open_scene(tmp_path) as scene:
        for host, found in (("bad.example", None), ("a.example", 1.5), ("b.example", 2.5)):
            await scene.runs("web", found, task_type={"ping": host})
        await scene.runs("resting", None, in_maintenance=True)
        await scene.runs("slow", 900, expect={"latency": {"warn_ms": 5}})
        await scene.runs("fine", 1.5)
        _, text = await scene.say("top", "--once", "-o", "json")
        assert [(one["job"], one["outcome"], one["degraded"], one["maintenance"]) for one in json.loads(text)] == [
            ("web", "failed", False, False),
            ("slow", "ok", True, False),
            ("resting", "failed", False, True),
            ("fine", "ok", False, False),
        ]
        _, table = await scene.say("top")
        assert [line.split()[2] for line in table.splitlines()[1:]] == ["failed", "degraded", "maintenance", "ok"]


async def test_top_on_a_terminal_follows_results_and_resizes_and_ends_by_ctrl_c(tmp_path: Path) -> None:
    async with open_scene(tmp_path) as scene:
        await scene.runs("web", 1.5)
        await scene.runs("edge", 2.5)
        async with open_terminal(
            "top", "--server", scene.root.url, directory=tmp_path, CRONPROBE_TOKEN=ROOT
        ) as terminal:
            await terminal.shows(r"2 series, 0 not ok; counts of 1h.*edge +fra-1.*web +fra-1")
            await scene.runs("web", None)
            await terminal.shows(r"2 series, 1 not ok.*web +fra-1.*failed.*connect_refused.*edge +fra-1")
            terminal.resize(5, 60)
            await terminal.shows(r"1 not ok, 0 more below|1 not ok; counts")
            terminal.resize(4, 60)
            await terminal.shows(r"1 more below.*web +fra-1")
            terminal.interrupt()
            await terminal.shows(r"\x1b\[\?1049l")
            async with asyncio.timeout(LIMIT_S):
                assert await terminal.process.wait() == 0


async def test_top_goes_on_when_the_server_comes_back(tmp_path: Path) -> None:
    async with open_scene(tmp_path) as scene:
        await scene.runs("web", 1.5)
        url, port = scene.root.url, scene.port
        opened = open_terminal("top", "--server", scene.root.url, directory=tmp_path, CRONPROBE_TOKEN=ROOT)
        terminal = await opened.__aenter__()
        await terminal.shows(r"1 series, 0 not ok")
    try:
        await terminal.shows("trying again in")
        async with open_scene(tmp_path, port) as scene:
            assert scene.root.url == url
            await scene.runs("edge", None)
            await terminal.shows(r"2 series, 1 not ok.*edge")
            terminal.interrupt()
            await terminal.shows(r"\x1b\[\?1049l")
    finally:
        await opened.__aexit__(None, None, None)
