"""``task_stats`` at the door."""

from typing import Any

import pytest

from tests.server.rig import AGENT, OTHER, Rig, new_task

BASE_MS = 1_000_000


async def fill(rig: Rig) -> None:
    """Ten good pings of 1 to 10 ms in two buckets, a failure, and a tick without an agent."""
    async with rig.agent() as agent:
        await rig.root.call("task_create_batch", [new_task(at, agent_name="fra-1") for at in range(11)])
        events = await agent.tasks(11)
        responses = [
            agent.response(event, {"ping": float(place + 1)}, timestamp=BASE_MS + place * 100)
            for place, event in enumerate(events[:10])
        ]
        failed = agent.response(events[10], success=False, error_message="no", timestamp=BASE_MS)
        await agent.upload_batch([*responses, failed])
    await rig.root.call("task_create_batch", [new_task(20, target_uuid=OTHER, cron_source="other")])


async def stats(rig: Rig, **query: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await rig.root.call("task_stats", query)
    return found


async def test_rows_are_counted_by_outcome_and_their_latencies_ranked(rig: Rig) -> None:
    await fill(rig)
    assert await stats(rig) == [
        {
            "count": 12,
            "running": 0,
            "ok": 10,
            "failed": 1,
            "unknown": 1,
            "latency_ms": {"min": 1.0, "mean": 5.5, "p50": 5.0, "p90": 9.0, "p95": 10.0, "p99": 10.0, "max": 10.0},
        }
    ]


async def test_each_grouping_has_its_keys(rig: Rig) -> None:
    await fill(rig)
    grouped = await stats(rig, group_by=["cron_source", "agent", "type"], condition=[{"uuid": AGENT}], bucket_ms=500)
    assert [list(group)[:5] for group in grouped] == [["cron_source", "agent_uuid", "agent_name", "type", "bucket"]] * 2
    assert [list(group.values())[:5] for group in grouped] == [
        ["job", AGENT, "fra-1", "ping", BASE_MS],
        ["job", AGENT, "fra-1", "ping", BASE_MS + 500],
    ]
    assert [(group["ok"], group["failed"], group["latency_ms"]["max"]) for group in grouped] == [
        (5, 1, 5.0),
        (5, 0, 10.0),
    ]
    assert [group["latency_ms"] for group in await stats(rig, condition=[{"cron_source": "other"}])] == [None]
    assert await stats(rig, condition=[{"cron_source": "nobody"}]) == []


async def test_reasons_are_counted_where_they_are_asked_for(rig: Rig) -> None:
    await fill(rig)
    grouped = await stats(rig, group_by=["cron_source"], reasons=True)
    assert [group["reasons"] for group in grouped] == [{"probe_error": 1}, {"agent_offline": 1}]
    assert [group["reasons"] for group in await stats(rig, condition=["is_success"], reasons=True)] == [{}]
    assert "reasons" not in (await stats(rig))[0]


@pytest.mark.parametrize(
    "query",
    [
        {"bucket_ms": 0},
        {"bucket_ms": 1.5},
        {"group_by": ["target"]},
        {"group_by": ["type", "type"]},
        {"condition": [5]},
        {"reasons": 1},
    ],
)
async def test_a_query_that_makes_no_sense_is_not_decoded(rig: Rig, query: object) -> None:
    assert (await rig.root.refusal("task_stats", query))["code"] == -32602


async def test_limits_and_too_many_groups_are_refused(rig: Rig) -> None:
    for condition in ("last", {"limit": 5}):
        assert (await rig.root.refusal("task_stats", {"condition": [condition]}))["code"] == 108
    await rig.root.call("task_create_batch", [new_task(1)])
    with rig.database() as database:
        database.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10001) "
            "INSERT INTO task (id, spec_id, agent_id, timeout_ms, finished_ms, success, token) "
            "SELECT 1000000 + i, 1, 1, 1000, i, 1, 'x' FROM n"
        )
    refused = await rig.root.refusal("task_stats", {"bucket_ms": 1})
    assert refused["message"] == "Invalid input: more than 10000 groups; narrow the conditions, or widen bucket_ms"


async def test_statistics_need_what_a_query_needs(rig: Rig) -> None:
    limits = [{"scopes": [{"agent_uuid": AGENT}], "permissions": [{"task": {"read": "ping"}}]}]
    caller = rig.root.as_(await rig.root.make_token(limits))
    assert (await caller.refusal("task_stats", {}))["code"] == 102
    assert await caller.call("task_stats", {"condition": [{"uuid": AGENT}, {"type": "ping"}]}) == []
