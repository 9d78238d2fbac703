"""``cronprobe query --export``: every row that matches, once, in each format."""

import csv
import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from tests.processes import ROOT, ROOT_DIRECTORY, START_S, call, run_server, say
from tests.server.rig import OTHER, new_task
from tests.terminals import open_terminal

BASE_MS = 1_700_000_000_000
SAME_MS = 10_002
ROWS = 12_000


@asynccontextmanager
async def filled(directory: Path) -> AsyncIterator[str]:
    """
    A server with rows of two agents; its URL.

    More of them than a page has finished in the same millisecond, others in the order of their ids or against it.
    """
    async with run_server(directory / "state") as server, call(server.url) as root:
        tasks = [new_task(1, agent_name="fra-1"), new_task(1, target_uuid=OTHER, agent_name="ams-1")]
        await root.call("task_create_batch", tasks)
        database = sqlite3.connect(directory / "state" / "cronprobe.db", isolation_level=None)
        database.execute("DELETE FROM task")
        rows = [
            (
                10 + at,
                1,
                1,
                1 + at % 2,
                BASE_MS + (0 if at < SAME_MS else (at * 7919) % 1_000 - 500),
                at % 3 > 0,
            )
            for at in range(ROWS)
        ]
        database.executemany(
            "INSERT INTO task"
            " (id, job_id, spec_id, agent_id, timeout_ms, finished_ms, success, reason, latency_ms, token)"
            " SELECT ?1, ?2, ?3, ?4, 1000, ?5, ?6, CASE WHEN ?6 THEN NULL ELSE 3 END, CASE WHEN ?6 THEN 1.5 END, 'x'",
            rows,
        )
        database.close()
        yield server.url


async def export(directory: Path, url: str, file: str, *arguments: str) -> tuple[int, str]:
    return await say("query", "--server", url, "--export", file, *arguments, directory=directory, CRONPROBE_TOKEN=ROOT)


def assert_each_once(ids: Sequence[int], wanted: Sequence[int]) -> None:
    assert len(ids) == len(wanted)
    assert sorted(ids) == list(wanted)


async def test_every_row_is_exported_once_in_each_format(tmp_path: Path) -> None:
    every = range(10, 10 + ROWS)
    async with filled(tmp_path) as url:
        for name in ("all.ndjson", "all.csv", "all.parquet"):
            assert await export(tmp_path, url, name) == (0, "")
        assert await export(tmp_path, url, "job", "--format", "csv", "--cron-source", "job", "--failed") == (0, "")
        [row] = json.loads(
            (
                await say(
                    "query", "--server", url, "--limit", "1", "-o", "json", directory=tmp_path, CRONPROBE_TOKEN=ROOT
                )
            )[1]
        )
    lines = [json.loads(line) for line in (tmp_path / "all.ndjson").read_text().splitlines()]
    assert_each_once([line["task_id"] for line in lines], every)
    assert row.items() <= next(line for line in lines if line["task_id"] == row["task_id"]).items()
    with (tmp_path / "all.csv").open(newline="") as file:
        records = list(csv.DictReader(file))
    assert_each_once([int(record["task_id"]) for record in records], every)
    first = next(record for record in records if record["task_id"] == "11")
    assert (first["agent"], first["outcome"], first["latency_ms"], first["late"]) == ("ams-1", "ok", "1.5", "false")
    assert (first["finished_at"], first["reason"], first["task"]) == (
        "2023-11-14T22:13:20.000Z",
        "",
        '{"ping":"host.example"}',
    )
    table = pyarrow.parquet.read_table(tmp_path / "all.parquet")
    assert_each_once(table["task_id"].to_pylist(), every)
    kinds = {
        name: str(table.schema.field(name).type) for name in ("task_id", "latency_ms", "finished_at", "late", "reason")
    }
    assert list(kinds.values()) == ["int64", "double", "timestamp[ms, tz=UTC]", "bool", "string"]
    [again] = [one for one in table.slice(0, ROWS).to_pylist() if one["task_id"] == 11]
    assert again["finished_at"] == datetime.fromtimestamp(BASE_MS / 1000, UTC)
    with (tmp_path / "job").open(newline="") as file:
        failed = list(csv.DictReader(file))
    assert_each_once([int(record["task_id"]) for record in failed], [10 + at for at in range(ROWS) if at % 3 == 0])
    assert {record["reason"] for record in failed} == {"connect_refused"}


async def test_a_file_is_not_written_over_and_a_broken_export_leaves_none(tmp_path: Path) -> None:
    (tmp_path / "kept.csv").write_text("mine")
    code, said = await export(tmp_path, "http://127.0.0.1:1", "kept.csv")
    wanted = "cronprobe: kept.csv: exists already; give another name, or --force to write over it\n"
    assert (code, said, (tmp_path / "kept.csv").read_text()) == (2, wanted, "mine")
    code, _ = await export(tmp_path, "http://127.0.0.1:1", "kept.csv", "--force")
    assert (code, (tmp_path / "kept.csv").read_text()) == (1, "mine")
    assert [file.name for file in tmp_path.iterdir()] == ["kept.csv"]


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("rows.txt",), "--export: rows.txt ends with no format; want .csv, .ndjson, .parquet, or give --format"),
        (("rows.csv", "--limit", "5"), "--limit: an export has all results that match; narrow them down by --since"),
        (("no/rows.csv",), "no/rows.csv: cannot be written (No such file or directory); choose another place"),
    ],
)
async def test_what_makes_no_export_is_told(tmp_path: Path, arguments: tuple[str, ...], wanted: str) -> None:
    assert await export(tmp_path, "http://127.0.0.1:1", *arguments) == (2, f"cronprobe: {wanted}\n")


async def test_parquet_without_pyarrow_says_how_to_get_it(tmp_path: Path) -> None:
    absent = tmp_path / "absent" / "pyarrow"
    absent.mkdir(parents=True)
    (absent / "__init__.py").write_text("raise ModuleNotFoundError('No module named pyarrow')\n")
    code, said = await say(
        *("query", "--server", "http://127.0.0.1:1", "--export", "rows.parquet"),
        directory=tmp_path,
        CRONPROBE_TOKEN=ROOT,
        PYTHONPATH=f"{absent.parent}:{ROOT_DIRECTORY}",
    )
    assert (code, said) == (2, "cronprobe: --format: parquet needs pyarrow; pip install 'cronprobe[parquet]'\n")


async def test_a_terminal_is_shown_how_far_an_export_is(tmp_path: Path) -> None:
    async with filled(tmp_path) as url:
        arguments = ("query", "--server", url, "--export", "all.ndjson")
        async with open_terminal(*arguments, directory=tmp_path, CRONPROBE_TOKEN=ROOT) as terminal:
            await terminal.shows(rf"exporting to all\.ndjson.*/{ROWS}")
            assert await terminal.ends(START_S) == 0
    assert len((tmp_path / "all.ndjson").read_text().splitlines()) == ROWS
