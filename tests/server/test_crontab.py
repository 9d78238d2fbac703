"""The live job file and its ticks, as a stock server would show its crontab; read-only."""

import sqlite3
import time
from random import Random
from typing import Any

import pytest

from tests.fakes import Caller
from tests.server.rig import AGENT, OTHER, ROOT, OpenRig, Rig, new_task

TASK = {"ping": "host.example"}
BASE_MS = 4_000_000_000_000


def job(name: str = "job", *uuids: str, **members: object) -> dict[str, Any]:
    agents = [{"uuid": uuid, "name": None} for uuid in uuids or (AGENT,)]
    return {
        "name": name,
        "schedule": "*/5 * * * *",
        "timezone": "UTC",
        "enabled": True,
        "agents": agents,
        "task": TASK,
        **members,
    }


def limits(*permissions: object, scope: object = "global") -> list[object]:
    return [{"scopes": [scope], "permissions": permissions}]


async def caller(rig: Rig, *permissions: object, scope: object = "global", **window: int) -> Caller:
    return rig.root.as_(await rig.root.make_token(limits(*permissions, scope=scope), **window))


async def test_declared_jobs_are_shown_in_the_form_of_a_crontab(rig: Rig) -> None:
    ip = job("b", OTHER, schedule="@every 30s", enabled=False, task="ip")
    assert await rig.root.call("job_declare", [job(), ip]) == {"jobs": 2, "last_ticks": {}}
    shown = await rig.root.call("crontab_get")
    assert [list(one) for one in shown] == [
        ["id", "name", "enable", "cron_expression", "cron_type", "last_run_time"]
    ] * 2
    first, second = shown
    assert first == {
        "id": first["id"],
        "name": "job",
        "enable": True,
        "cron_expression": "*/5 * * * *",
        "cron_type": {"agent": [[AGENT], {"task": TASK}]},
        "last_run_time": None,
    }
    assert (second["enable"], second["cron_expression"]) == (False, "@every 30s")
    assert second["cron_type"] == {"agent": [[OTHER], {"task": "ip"}]}
    assert first["id"] != second["id"]


async def test_the_last_declaration_holds_and_outlives_a_restart(open_rig: OpenRig) -> None:
    async with open_rig() as rig:
        await rig.root.call("job_declare", [job("a"), job("b")])
        ids = {one["name"]: one["id"] for one in await rig.root.call("crontab_get")}
        await rig.root.call("job_declare", [job("b"), job("c")])
    async with open_rig() as rig:
        shown = await rig.root.call("crontab_get")
        assert [one["name"] for one in shown] == ["b", "c"]
        assert shown[0]["id"] == ids["b"]


async def test_agents_have_their_names_before_their_first_tick(rig: Rig) -> None:
    await rig.root.call("job_declare", [job(agents=[{"uuid": AGENT, "name": "fra-1"}])])
    assert [(one["name"], one["uuid"]) for one in await rig.root.call("agent_list")] == [("fra-1", AGENT)]


async def test_the_last_run_is_that_of_the_newest_tick_that_ended(rig: Rig) -> None:
    await rig.root.call("job_declare", [job()])
    await rig.root.call("task_create_batch", [new_task(at) for at in (1, 2)])
    assert [one["last_run_time"] for one in await rig.root.call("crontab_get")] == [BASE_MS + 2]


async def test_declaring_needs_what_creating_needs(rig: Rig) -> None:
    ping = await caller(rig, {"task": {"create": "ping"}}, scope={"agent_uuid": AGENT})
    assert await ping.call("job_declare", [job()]) == {"jobs": 1, "last_ticks": {}}
    for refused in (job("x", OTHER), job("x", task="ip")):
        error = await ping.refusal("job_declare", [job(), refused])
        assert (error["code"], error["message"].endswith("of job x")) == (102, True)
    assert [one["name"] for one in await rig.root.call("crontab_get")] == ["job"]


async def test_parameters_that_may_be_absent_may_be_so_by_name_too(rig: Rig) -> None:
    await rig.root.call("job_declare", [job()])
    await rig.root.call("job_record_gaps", [{"cron_source": "job", "from_ms": 1, "to_ms": 2, "ticks": 1}])
    for given in ({}, {"names": ["job"]}, {"names": None, "since_ms": None}, {"sinceMs": 2}):
        body = {"jsonrpc": "2.0", "id": 1, "method": "job_gaps", "params": {"token": ROOT, **given}}
        async with rig.http.post(rig.url, json=body) as response:
            assert (await response.json())["result"] == [{"cron_source": "job", "from": 1, "to": 2, "ticks": 1}]


async def test_nobody_declares_jobs_away_that_he_may_not_fire(rig: Rig) -> None:
    await rig.root.call("job_declare", [job(), job("far", OTHER)])
    near = await caller(rig, {"task": {"create": "*"}}, scope={"agent_uuid": AGENT})
    for jobs in ([], [job()], [job("far")]):
        assert (await near.refusal("job_declare", jobs))["message"].endswith(f"for Agent {OTHER} of job far")
    assert [one["name"] for one in await rig.root.call("crontab_get")] == ["job", "far"]


async def test_a_job_without_agents_is_declared_by_those_who_may_fire_some(rig: Rig) -> None:
    agents = await caller(rig, {"task": {"write": "*"}}, scope={"agent_uuid": AGENT})
    assert (await agents.refusal("job_declare", [job(agents=[])]))["message"].endswith("permission of job job")
    scheduler = await caller(rig, {"task": {"create": "*"}}, scope={"agent_uuid": AGENT})
    assert await scheduler.call("job_declare", [job(agents=[])]) == {"jobs": 1, "last_ticks": {}}


@pytest.mark.parametrize(
    "wrong", [job(task={"tpc_ping": "x"}), job(agents=[{"uuid": "me"}]), {"name": "x"}, job(retention_ms=1)]
)
async def test_a_job_that_makes_no_sense_changes_nothing(rig: Rig, wrong: object) -> None:
    await rig.root.call("job_declare", [job()])
    assert (await rig.root.refusal("job_declare", [wrong]))["code"] == -32602
    assert len(await rig.root.call("crontab_get")) == 1


async def test_jobs_are_shown_to_those_who_may_read_them(rig: Rig) -> None:
    await rig.root.call("job_declare", [job("a"), job("b", OTHER), job("c", AGENT, OTHER)])
    read = {"crontab": "read"}
    everywhere, mine = await caller(rig, read), await caller(rig, read, scope={"agent_uuid": AGENT})
    assert [one["name"] for one in await everywhere.call("crontab_get")] == ["a", "b", "c"]
    assert [one["name"] for one in await mine.call("crontab_get")] == ["a", "c"]
    words = {
        "Permission Denied: Insufficient Crontab Read permission": await caller(rig, {"task": {"read": "*"}}),
        "Token has expired": await caller(rig, read, timestamp_to=1),
        "Token is not yet valid": await caller(rig, read, timestamp_from=BASE_MS),
    }
    for message, who in words.items():
        assert await who.refusal("crontab_get") == {"code": 102, "message": f"Permission denied: {message}"}


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("crontab_create", ["n", "* * * * * *", {"agent": [[AGENT], {"task": "ip"}]}]),
        ("crontab_edit", ["n", "* * * * * *", {"server": {"js_worker": ["s", None]}}]),
        ("crontab_set_enable", ["n", True]),
        ("crontab_delete", ["n"]),
    ],
)
async def test_only_the_job_file_changes_jobs(rig: Rig, method: str, params: list[object]) -> None:
    refused = {"code": 108, "message": "Invalid input: jobs are declared in the job file"}
    assert await rig.root.refusal(method, *params) == refused
    assert (await rig.root.refusal(method, *params[:-1], {"no": "sense"}))["code"] == -32602


async def test_a_tick_is_shown_with_its_task_when_an_agent_got_it(rig: Rig) -> None:
    async with rig.agent() as agent:
        await rig.root.call("task_create_batch", [new_task(1), new_task(1, target_uuid=OTHER)])
        event = await agent.task()
        passed, failed = sorted(await ticks(rig), key=lambda tick: not tick["success"])
    assert list(passed) == ["id", "cron_id", "cron_name", "relative_id", "run_time", "success", "message"]
    id_ = event["task_id"]
    assert passed == {
        "id": id_,
        "cron_id": passed["cron_id"],
        "cron_name": "job",
        "relative_id": id_,
        "run_time": BASE_MS + 1,
        "success": True,
        "message": f"任务下发成功，Agent：[{AGENT}]，relative_id：{id_}",
    }
    assert failed["relative_id"] is None
    assert failed["message"] == f"任务下发失败，Agent：[{OTHER}]，错误：Agent {OTHER} is not connected"


async def ticks(rig: Rig, *conditions: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await rig.root.call("crontab-result_query", {"condition": conditions})
    return found


def model(rows: list[dict[str, Any]], conditions: list[Any]) -> list[int]:
    """What a query should give, in plain Python."""
    most = 1_000
    for condition in conditions:
        name, value = (condition, None) if isinstance(condition, str) else next(iter(condition.items()))
        match name:
            case "id":
                rows = [row for row in rows if row["id"] == value]
            case "cron_id":
                rows = [row for row in rows if row["cron_id"] == value]
            case "cron_name":
                rows = [row for row in rows if row["cron_name"] == value]
            case "run_time_from_to":
                rows = [row for row in rows if value[0] <= row["run_time"] <= value[1]]
            case "run_time_from":
                rows = [row for row in rows if row["run_time"] >= value]
            case "run_time_to":
                rows = [row for row in rows if row["run_time"] <= value]
            case "is_success" | "is_failure":
                rows = [row for row in rows if row["success"] is (name == "is_success")]
            case "limit":
                most = min(value, 10_000)
            case "last":
                most = 1
    return [row["id"] for row in sorted(rows, key=lambda row: (row["run_time"], row["id"]), reverse=True)][:most]


async def test_conditions_choose_what_a_plain_model_chooses(rig: Rig) -> None:
    random = Random(5)
    async with rig.agent() as agent:
        new = [
            new_task(at, cron_source=random.choice("abc"), target_uuid=random.choice((AGENT, OTHER)))
            for at in random.choices(range(30), k=120)
        ]
        answers = await rig.root.call("task_create_batch", new)
        created = {answer["id"] for answer in answers}
        await agent.tasks(
            sum(1 for n in {(t["cron_source"], t["target_uuid"], t["scheduled_at"]) for t in new} if n[1] == AGENT)
        )
    rows = await ticks(rig)
    assert {row["id"] for row in rows} == created
    choices: list[Any] = [
        lambda: {"id": random.choice(rows)["id"]},
        lambda: {"cron_id": random.choice(rows)["cron_id"]},
        lambda: {"cron_name": random.choice("abcd")},
        lambda: {"run_time_from_to": sorted(random.choices(range(BASE_MS, BASE_MS + 30), k=2))},
        lambda: {"run_time_from": BASE_MS + random.randrange(30)},
        lambda: {"run_time_to": BASE_MS + random.randrange(30)},
        lambda: random.choice(["is_success", "is_failure", "last"]),
        lambda: {"limit": random.randrange(20)},
    ]
    for _ in range(150):
        conditions = [random.choice(choices)() for _ in range(random.randrange(4))]
        assert [row["id"] for row in await ticks(rig, *conditions)] == model(rows, conditions), conditions


async def test_of_limit_and_last_the_later_one_counts(rig: Rig) -> None:
    await rig.root.call("task_create_batch", [new_task(at) for at in range(5)])
    assert [len(await ticks(rig, *c)) for c in (["last", {"limit": 3}], [{"limit": 3}, "last"], [])] == [3, 1, 5]


async def test_ticks_are_shown_to_those_who_may_read_them(rig: Rig) -> None:
    named = await caller(rig, {"crontab_result": {"read": "jo*"}})
    query = [{"cron_name": "job"}]
    assert await named.call("crontab-result_query", {"condition": query}) == []
    denied = "Permission denied: No read permission for crontab_result with cron_name '{}'"
    for conditions, name in (([], "*"), ([{"cron_name": "other"}], "other"), ([*query, {"cron_name": "x"}], "x")):
        refused = await named.refusal("crontab-result_query", {"condition": conditions})
        assert refused == {"code": 102, "message": denied.format(name)}
    agents_only = await caller(rig, {"crontab_result": {"read": "*"}}, scope={"agent_uuid": AGENT})
    assert (await agents_only.refusal("crontab-result_query", {"condition": []}))["code"] == 102


async def test_the_newest_ticks_of_a_job_are_found_without_a_look_at_all_rows(rig: Rig) -> None:
    await rig.root.call("task_create_batch", [new_task(at, cron_source=name) for at in range(3) for name in "ab"])
    with rig.database() as database:
        fill(database, 200_000)
        start_s = time.monotonic()
        assert database.execute("SELECT sum(length(token) + id % 7) FROM task").fetchone()
        whole_s = time.monotonic() - start_s
        start_s = time.monotonic()
        for _ in range(10):
            assert len(await ticks(rig, {"cron_name": "a"}, {"limit": 10})) == 10
        assert (time.monotonic() - start_s) / 10 < whole_s


def fill(database: sqlite3.Connection, rows: int) -> None:
    """Many more ticks of the jobs that are there, half of each."""
    database.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
        "INSERT INTO task (id, job_id, spec_id, agent_id, scheduled_ms, timeout_ms, finished_ms, success, token) "
        "SELECT 1000000 + i, 1 + i % 2, 1, 1, i, 1000, i, 1, 'x' FROM n",
        [rows],
    )
