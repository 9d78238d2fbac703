"""``cronprobe stats``: uptime, coverage and reasons, with the ticks that no scheduler fired."""

import csv
import json
import time
from pathlib import Path
from typing import Any

from tests.fakes import BATCHING, open_agent
from tests.processes import ROOT, call, run_server, say
from tests.server.rig import AGENT, new_task

HOUR_MS = 3_600_000


def declared(name: str) -> dict[str, Any]:
    task = {"ping": "127.0.0.1"}
    job = {"name": name, "schedule": "* * * * *", "timezone": "UTC", "enabled": True, "agents": [{"uuid": AGENT}]}
    return {**job, "task": task}


async def test_ticks_that_nobody_fired_count_as_due(tmp_path: Path) -> None:
    async with run_server(tmp_path / "state") as server, call(server.url) as root:
        now_ms = time.time_ns() // 1_000_000
        hour_ms = now_ms - now_ms % HOUR_MS
        async with open_agent(root.http, root.url, ROOT, AGENT, BATCHING) as agent:
            await root.call("task_create_batch", [new_task(at, cron_source="web") for at in range(4)])
            events = await agent.tasks(4)
            await agent.upload_batch([agent.response(event, {"ping": 2.0}, timestamp=hour_ms) for event in events[:3]])
            refused = {"success": False, "error_message": "no", "reason": "connect_refused", "timestamp": hour_ms}
            await agent.upload(agent.response(events[3], **refused))
        await root.call("job_declare", [declared("web"), declared("never")])
        # Ten ticks evenly over two hours, of which the last five lie in the hour of the runs; and a job of gaps alone.
        gap = {"cron_source": "web", "from_ms": hour_ms - HOUR_MS, "to_ms": hour_ms + HOUR_MS * 4 // 5, "ticks": 10}
        never = {"cron_source": "never", "from_ms": hour_ms, "to_ms": hour_ms, "ticks": 1}
        await root.call("job_record_gaps", [gap, never])

        async def stats(*arguments: str, token: str = ROOT) -> str:
            code, said = await say(
                "stats", "--server", server.url, *arguments, directory=tmp_path, CRONPROBE_TOKEN=token
            )
            assert code == 0, said
            return said

        found = json.loads(await stats("--since", "7d", "--cron-source", "web", "-o", "json"))
        assert [(one["ok"], one["failed"], one["missed"], one["uptime"], one["coverage"]) for one in found] == [
            (3, 1, 10, 0.75, 4 / 14)
        ]
        assert found[0]["reasons"] == {"connect_refused": 1}
        text = await stats("--since", "7d", "--bucket", "1h", "-o", "csv")
        rows = [
            [row[name] for name in ("cron_source", "count", "missed", "uptime", "coverage", "reasons")]
            for row in csv.DictReader(text.splitlines())
        ]
        assert rows == [
            ["never", "0", "1", "", "0.000%", ""],
            ["web", "0", "5", "", "0.000%", ""],
            ["web", "4", "5", "75.000%", "44.444%", "connect_refused 1"],
        ]
        by_agent = json.loads(await stats("--since", "7d", "--by", "agent", "-o", "json"))
        assert [(one["missed"], one["coverage"], one["uptime"]) for one in by_agent] == [(None, None, 0.75)]
        reader = await root.make_token([{"scopes": ["global"], "permissions": [{"task": {"read": "*"}}]}])
        said = await stats("--since", "7d", token=reader)
        assert "no coverage: job_gaps: Permission denied" in said
        assert "75.000%" in said
