"""``cronprobe`` on PostgreSQL, as processes: results from end to end, and no password anywhere."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from tests.integration.test_apart import target, write_jobs
from tests.postgres import PASSWORD, PASSWORD_IN_URL, Cluster, Database
from tests.processes import ROOT, ROOT_DIRECTORY, START_S, run, say


@pytest.mark.external("postgres")
async def test_up_on_postgres_keeps_results_and_shows_no_password(tmp_path: Path, database: Database) -> None:
    shown = f"postgresql://postgres@127.0.0.1:{database.cluster.port}/{database.name}"
    environment = {"CRONPROBE_STORE": database.url, "CRONPROBE_ROOT_TOKEN": ROOT, "CRONPROBE_TOKEN": ROOT}
    async with target() as port:
        jobs = write_jobs(tmp_path, port)
        up = ("up", jobs, "--listen", "127.0.0.1:0", "--state-dir", tmp_path / "state", "--agent", "fra-1")
        async with run(*up, directory=tmp_path, **environment) as process:
            url = (await process.says(r"server +(http://127\.0\.0\.1:\d+)"))[1]
            await process.says(r"a-http +\S+ +http_ping +ok")
            await process.says(r"a-refused +\S+ +tcp_ping +failed")
            query = ("query", "--server", url, "--cron-source", "a-http", "--limit", "1", "-o", "json")
            code, output = await say(*query, directory=tmp_path, **environment)
            assert code == 0, output
            assert json.loads(output)[0]["success"] is True
            await process.stop()
    assert f"store    {shown}\n" in process.output
    assert PASSWORD not in process.output
    assert PASSWORD_IN_URL not in process.output
    assert not (tmp_path / "state" / "cronprobe.db").exists()


@pytest.mark.external("postgres")
async def test_a_start_that_is_refused_is_one_line_without_a_password(tmp_path: Path, postgres: Cluster) -> None:
    code, output = await say("server", "--store", postgres.url("nowhere"), directory=tmp_path, COLUMNS="300")
    assert (code, output.count("\n")) == (1, 1), output
    assert "there is no such database; create it: createdb -O postgres nowhere" in output
    assert PASSWORD not in output
    assert PASSWORD_IN_URL not in output


async def test_without_its_driver_the_way_to_it_is_said(tmp_path: Path) -> None:
    lines = "import sys; sys.modules['asyncpg'] = None; from cli import main; main()"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        lines,
        *("server", "--state-dir", str(tmp_path), "--store", "postgresql://me@127.0.0.1/probes"),
        cwd=ROOT_DIRECTORY,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(START_S):
        output, _ = await process.communicate()
    assert process.returncode == 1
    assert b"asyncpg is not installed; run: pip install 'cronprobe[postgres]'" in output
