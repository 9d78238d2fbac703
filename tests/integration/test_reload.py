"""Job files that change while they run, through the real command: nothing of the other jobs is lost."""

import asyncio
import json
import os
import re
import signal
import time
from pathlib import Path
from xml.etree import ElementTree

from tests.processes import ROOT, ROOT_DIRECTORY, run, say
from tests.sites import HEAD, STEADY, assert_every_second_once, up

BROKEN = sorted((ROOT_DIRECTORY / "tests" / "jobfiles").glob("*.yaml"))


async def test_a_change_disturbs_no_other_job_and_a_mistake_changes_nothing(tmp_path: Path) -> None:
    async with up(tmp_path, STEADY + '  old: {schedule: "* * * * * *", task: {ping: 127.0.0.2}}\n') as site:
        await site.declared("old", "steady")
        site.write(STEADY + '  new: {schedule: "* * * * * *", task: {ping: 127.0.0.3}, labels: {team: net}}\n')
        await site.declared("new", "steady")
        assert not await site.metric('cron_source="old"')
        assert await site.metric('label_team="net"')
        await site.until_due("new", int(time.time()) + 1)
        for broken in BROKEN:
            site.file.write_bytes(broken.read_bytes())
            status, said = await site.reload(ROOT)
            assert status == 400, broken
            assert len(said["mistakes"]) == 1
            assert said["mistakes"][0].startswith(str(site.file)), said
            path = said["mistakes"][0].split(": ")[1]
            await site.process.says("job file not loaded; the old jobs go on.*" + re.escape(path))
        assert await site.metric("cronprobe_config_last_reload_successful 0.0")
        await site.declared("new", "steady")
        site.write(STEADY)
        await site.declared("steady")
        assert await site.metric("cronprobe_config_last_reload_successful 1.0")
        assert_every_second_once(await site.until_due("steady", int(time.time())))
        assert_every_second_once(await site.seconds("new"))
        await site.process.stop()


async def test_files_are_loaded_again_on_sighup_and_in_the_ways_that_they_change(tmp_path: Path) -> None:
    async with up(tmp_path, STEADY, DELAY="9s") as site:
        (tmp_path / "elsewhere.yaml").write_text(HEAD + STEADY + '  linked: {schedule: "@daily", task: ip}\n')
        link = site.file.with_suffix(".link")
        link.symlink_to(tmp_path / "elsewhere.yaml")
        link.replace(site.file)
        await site.declared("linked", "steady")
        (tmp_path / "elsewhere.yaml").write_text(HEAD + STEADY)
        site.process.process.send_signal(signal.SIGHUP)
        await site.declared("steady")
        await site.process.stop()


async def test_changes_that_no_watch_sees_are_seen_by_looking(tmp_path: Path) -> None:
    secret = tmp_path / "jobs" / "path.txt"
    async with up(tmp_path, STEADY) as site:
        behind = tmp_path / "behind.yaml"
        behind.write_text(HEAD + STEADY + '  linked: {schedule: "@daily", task: ip}\n')
        site.file.unlink()
        site.file.symlink_to(behind)
        await site.declared("linked", "steady")
        behind.write_text(HEAD + STEADY)
        await site.declared("steady")
        site.file.parent.rename(tmp_path / "away")
        site.file.parent.mkdir()
        secret.write_text("a")
        task = "{http_ping: 'http://127.0.0.1:1/${file:path.txt}'}"
        site.file.write_text(HEAD + STEADY + f'  other: {{schedule: "* * * * * *", task: {task}}}\n')
        await site.declared("other", "steady")
        loaded = site.process.output.count("job file loaded")
        secret.write_text("b")
        async with asyncio.timeout(15):
            while site.process.output.count("job file loaded") == loaded:
                await asyncio.sleep(0.1)
        await site.process.stop()


async def test_a_named_pipe_in_the_place_of_a_file_holds_up_nothing(tmp_path: Path) -> None:
    async with up(tmp_path, STEADY) as site:
        site.file.unlink()
        os.mkfifo(site.file)
        await site.process.says("job file not loaded; the old jobs go on.*no regular file")
        site.file.unlink()
        site.write(STEADY + '  new: {schedule: "@daily", task: ip}\n')
        await site.declared("new", "steady")
        assert await site.process.stop() < 5


async def test_reloading_needs_the_right_to_write_schedules(tmp_path: Path) -> None:
    async with up(tmp_path, STEADY) as site:
        limit = {"scopes": ["global"], "permissions": [{"crontab": "read"}]}
        made = await site.root.call("token_create", {"token_limit": [limit]})
        assert (await site.reload(None))[0] == 401
        assert (await site.reload("no:body"))[0] == 401
        assert (await site.reload(f"{made['key']}:{made['secret']}"))[0] == 403
        await site.root.call("token_edit", made["key"], [{**limit, "permissions": [{"crontab": "write"}]}])
        assert await site.reload(f"{made['key']}:{made['secret']}") == (200, {"reloaded": True})
        await site.process.stop()


async def test_ticks_that_passed_while_nothing_ran_are_a_gap_and_may_be_fired_once(tmp_path: Path) -> None:
    once = '  once: {schedule: "* * * * * *", task: {ping: 127.0.0.2}, misfire: once}\n'
    async with up(tmp_path, STEADY + once) as site:
        await site.declared("once", "steady")
        async with asyncio.timeout(10):
            while len(await site.seconds("once")) < 2 or len(await site.seconds("steady")) < 2:
                await asyncio.sleep(0.1)
        await site.process.kill()
    killed = int(time.time())
    await asyncio.sleep(max(0.0, killed + 3 - time.time()))  # time has to pass: this is what is measured
    async with up(tmp_path, STEADY + once + '  new: {schedule: "* * * * * *", task: ip}\n') as site:
        async with asyncio.timeout(10):
            while len(gaps := await site.root.call("job_gaps")) < 2:
                await asyncio.sleep(0.1)
        assert {gap["cron_source"] for gap in gaps} == {"once", "steady"}
        for gap in gaps:
            last = gap["to"] // 1000
            seconds = set(await site.until_due(gap["cron_source"], last + 1))
            missing = set(range(min(seconds), max(seconds))) - seconds
            assert missing == set(range(gap["from"] // 1000, last + 1))
            assert gap["ticks"] == len(missing)
        rows = await site.root.rows({"cron_source": "once"}, {"limit": 1000}, detail=True)
        assert len([row for row in rows if row["scheduled_at"] % 1000]) == 1  # the one that was fired at the start
        await site.process.stop()


async def test_a_job_is_run_by_hand_with_its_verdicts(tmp_path: Path) -> None:
    jobs = STEADY + '  far: {schedule: "@yearly", matrix: {h: [127.0.0.1, 127.0.0.2]}, task: {ping: "${h}"}}\n'
    jobs += '  slow: {schedule: "@yearly", task: {ping: 127.0.0.1}, expect: {cert_valid_for: 1d}}\n'
    jobs = jobs.replace(", expect: {cert_valid_for: 1d}", ", options: {count: 1}, expect: {latency: {fail: 1ms}}")
    async with up(tmp_path, jobs) as site:
        call = {"directory": tmp_path, "CRONPROBE_TOKEN": ROOT}
        code, said = await say("run", site.file, "far", "--server", site.url, "-o", "json", **call)
        assert code == 0
        assert [(row["target"], row["outcome"]) for row in json.loads(said)] == [
            ("127.0.0.1", "ok"),
            ("127.0.0.2", "ok"),
        ]
        code, said = await say("run", site.file, "far", "--server", site.url, "-o", "junit", **call)
        assert ElementTree.fromstring(said).attrib == {"name": "far", "tests": "2", "failures": "0"}
        code, said = await say("run", site.file, "fra", "--server", site.url, **call)
        assert (code, said) == (2, "cronprobe: JOB: no job is named 'fra'; known are steady, far, slow\n")
        code, said = await say("plan", site.file, "--against", site.url, **call)
        assert (code, said.splitlines()[0]) == (0, "no changes")
        other = tmp_path / "other.yaml"
        other.write_text(HEAD + STEADY.replace("ping", "tcp_ping").replace("127.0.0.1", '"127.0.0.1:1"'))
        code, said = await say("plan", other, "--against", site.url, **call)
        assert (code, said.splitlines()[0], "- far" in said) == (3, "~ steady", True)
        code, said = await say("run", other, "steady", "--server", site.url, **call)
        assert (code, "connect_refused" in said) == (1, True)
        await site.process.stop()


async def test_a_scheduler_apart_reloads_and_sends_its_secrets(tmp_path: Path) -> None:
    task = "{http_request: {url: 'http://127.0.0.1:1/${env:SECRET}', method: GET, headers: {t: '${env:SECRET}'}}}"
    jobs = f'  j: {{schedule: "* * * * * *", task: {task}, expect: {{status: 200}}}}\n'
    async with up(tmp_path, STEADY) as site:
        there = tmp_path / "there.yaml"
        there.write_text(HEAD + jobs)
        environment = {"CRONPROBE_TOKEN": ROOT, "SECRET": "geheimnis"}
        async with run("scheduler", there, "--server", site.url, directory=tmp_path, **environment) as scheduler:
            await scheduler.says("scheduler started")
            async with asyncio.timeout(10):
                while not (rows := await site.root.rows({"cron_source": "j"}, detail=True)) or not rows[0]["outcome"]:
                    await asyncio.sleep(0.1)
            assert (rows[0]["outcome"], rows[0]["reason"]) == ("failed", "connect_refused")
            assert "geheim" not in json.dumps(rows)
            assert "${env:SECRET}" in json.dumps(rows)
            there.write_text(HEAD + jobs.replace("  j:", "  k:"))
            await scheduler.says("job file loaded")
            await site.declared("k")
            await scheduler.stop()
        assert "geheim" not in scheduler.output + site.process.output
        await site.process.stop()
    assert os.listdir(tmp_path / "state")
    assert not any(b"geheim" in path.read_bytes() for path in (tmp_path / "state").iterdir())
