"""What Prometheus reads, by prometheus-client's own parser, beside what queries find."""

from collections import Counter
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.server.rig import AGENT, OTHER, OpenRig, Rig, new_task

Labels = dict[str, str]
FRA: Labels = {"cron_source": "job", "agent": "fra-1", "type": "ping", "target": "host.example"}


async def series(rig: Rig) -> list[tuple[str, Labels, float]]:
    """Every sample of the page."""
    status, page = await rig.root.page("/metrics")
    assert status == 200
    return [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    ]


async def values(rig: Rig, name: str, **labels: str) -> list[float]:
    """The values of the series of this name with these labels among theirs."""
    return [value for found, theirs, value in await series(rig) if found == name and labels.items() <= theirs.items()]


async def value(rig: Rig, name: str, **labels: str) -> float:
    [only] = await values(rig, name, **labels)
    return only


def tick(at: int = 0, **members: Any) -> dict[str, Any]:
    return new_task(at, agent_name="fra-1", **members)


async def test_a_new_probe_counts_from_zero_and_has_no_gauges(rig: Rig) -> None:
    async with rig.agent():
        await rig.root.call("task_create_batch", [tick()])
        for outcome in ("ok", "failed", "unknown"):
            assert await value(rig, "cronprobe_runs_total", **FRA, outcome=outcome) == 0
        assert await value(rig, "cronprobe_latency_seconds_count", **FRA) == 0
        for gauge in ("probe_success", "probe_duration_seconds", "cronprobe_last_run_timestamp_seconds"):
            assert await values(rig, gauge) == []
        assert await values(rig, "cronprobe_run_failures_total") == []


async def test_gauges_appear_with_the_first_known_run_and_stay_through_unknown_ones(rig: Rig) -> None:
    async with rig.agent() as agent:
        await rig.root.call("task_create_batch", [tick(1)])
        await agent.upload(agent.response(await agent.task(), {"ping": 12.5}))
    await rig.root.call("task_create_batch", [tick(2)])
    assert await value(rig, "probe_success", **FRA) == 1
    assert await value(rig, "probe_duration_seconds", **FRA) == 0.0125
    assert await value(rig, "cronprobe_last_run_timestamp_seconds", **FRA) == 4_000_000_000.001
    assert await value(rig, "cronprobe_run_failures_total", **FRA, reason="agent_offline") == 1
    async with rig.agent() as agent:
        await rig.root.call("task_create_batch", [tick(3)])
        await agent.upload(agent.response(await agent.task(), None, success=False, reason="dns"))
    assert await value(rig, "probe_success", **FRA) == 0
    assert await value(rig, "probe_duration_seconds", **FRA) == 0.0125
    assert await value(rig, "cronprobe_last_run_timestamp_seconds", **FRA) == 4_000_000_000.003
    assert await value(rig, "cronprobe_run_failures_total", **FRA, reason="dns") == 1


async def test_runs_are_counted_as_queries_find_them(rig: Rig) -> None:
    async with rig.agent() as agent:
        ticks = [tick(at, timeout_ms=1 if at >= 8 else 60_000) for at in range(10)]
        await rig.root.call("task_create_batch", [*ticks, new_task(target_uuid=OTHER)])
        events = await agent.tasks(10)
        good = [agent.response(event, {"ping": 1.0}) for event in events[:5]]
        bad = [agent.response(event, None, success=False, reason="timeout") for event in events[5:8]]
        await agent.upload_batch(good + bad)
        await rig.until_ended(11)
    rows = await rig.root.rows(detail=True)
    outcomes = Counter(row["outcome"] for row in rows)
    reasons = Counter(row["reason"] for row in rows if row["reason"])
    assert outcomes == {"ok": 5, "failed": 3, "unknown": 3}
    assert reasons == {"timeout": 3, "no_result": 2, "agent_offline": 1}
    for outcome, count in outcomes.items():
        assert sum(await values(rig, "cronprobe_runs_total", outcome=outcome)) == count
    for reason, count in reasons.items():
        assert sum(await values(rig, "cronprobe_run_failures_total", reason=reason)) == count
    assert await value(rig, "cronprobe_latency_seconds_count", **FRA) == 5
    assert await value(rig, "cronprobe_latency_seconds_sum", **FRA) == 0.005
    assert await value(rig, "cronprobe_latency_seconds_bucket", **FRA, le="0.0005") == 0
    assert await value(rig, "cronprobe_latency_seconds_bucket", **FRA, le="0.001") == 5
    assert await value(rig, "cronprobe_latency_seconds_bucket", **FRA, le="+Inf") == 5
    assert await value(rig, "cronprobe_store_rows_total", op="insert") == 11
    assert await value(rig, "cronprobe_result_seconds_count") == 8
    assert await value(rig, "cronprobe_dispatch_seconds_count") == 10


async def test_a_result_is_measured_when_its_answer_is_there(rig: Rig) -> None:
    async with rig.agent() as agent:
        for at in range(5):
            await rig.root.call("task_create_batch", [tick(at)])
            await agent.upload(agent.response(await agent.task(), {"ping": 1.0}))
            assert await value(rig, "cronprobe_runs_total", **FRA, outcome="ok") == at + 1


async def test_duplicates_are_not_counted(rig: Rig) -> None:
    for _ in range(3):
        await rig.root.call("task_create_batch", [tick()])
    assert await value(rig, "cronprobe_runs_total", **FRA, outcome="unknown") == 1


async def test_late_and_refused_results_are_counted(rig: Rig) -> None:
    async with rig.agent() as agent:
        await rig.root.call("task_create_batch", [tick(timeout_ms=1)])
        response = agent.response(await agent.task(), {"ping": 1.0})
        await rig.until_ended(1)
        await agent.upload({**response, "task_token": "wrong"})
        await agent.upload({**response, "task_event_result": {"ip": [None, None]}})
        await agent.upload(response)
        await agent.upload(response)
    assert await value(rig, "cronprobe_results_late_total") == 1
    for reason in ("unknown_task", "variant", "uploaded"):
        assert await value(rig, "cronprobe_results_rejected_total", reason=reason) == 1


async def test_labels_are_escaped(rig: Rig) -> None:
    odd = 'a "quoted"\\ \n name é'
    await rig.root.call("task_create_batch", [tick(cron_source=odd)])
    assert await value(rig, "cronprobe_runs_total", cron_source=odd, outcome="unknown") == 1


@pytest.mark.parametrize(
    ("task", "target"),
    [
        ({"http_ping": "https://user:secret@a.example/path?token=x#y"}, "https://a.example/path"),
        ({"http_request": {"url": "http://u@a.example/?q=1", "method": "GET"}}, "http://a.example/"),
        ({"tcp_ping": "a.example:443"}, "a.example:443"),
    ],
)
async def test_a_target_shows_no_secrets(rig: Rig, task: object, target: str) -> None:
    await rig.root.call("task_create_batch", [tick(task_type=task)])
    assert await value(rig, "cronprobe_runs_total", target=target, outcome="unknown") == 1


async def test_a_probe_carries_exactly_four_labels(rig: Rig) -> None:
    async with rig.agent() as agent:
        await rig.root.call("task_create_batch", [tick()])
        await agent.upload(agent.response(await agent.task(), {"ping": 1.0}))
    own = {"outcome", "reason", "le"}
    found = [labels.keys() - own for name, labels, _ in await series(rig) if "cron_source" in labels]
    assert found
    assert all(labels == FRA.keys() for labels in found)


async def test_every_series_stands_once(rig: Rig) -> None:
    async with rig.agent():
        await rig.root.call("task_create_batch", [tick(cell="a"), tick(cell="b", task_type={"ping": "other"})])
    found = Counter((name, tuple(sorted(labels.items()))) for name, labels, _ in await series(rig))
    assert found.most_common(1)[0][1] == 1


async def test_agents_are_seen_by_their_names(rig: Rig) -> None:
    async with rig.agent() as agent:
        await rig.root.call("task_create_batch", [tick(), new_task(target_uuid=OTHER)])
        assert await value(rig, "cronprobe_agent_connected", agent="fra-1") == 1
        assert await value(rig, "cronprobe_agent_connected", agent=OTHER) == 0
        assert await value(rig, "cronprobe_agent_tasks_running", agent="fra-1") == 1
        assert await value(rig, "cronprobe_agent_info", agent="fra-1", uuid=AGENT, version="cronprobe/0.1.0") == 1
        assert await values(rig, "cronprobe_agent_last_seen_timestamp_seconds") == []
        await agent.upload(agent.response(await agent.task(), {"ping": 1.0}, timestamp=1_000))
        assert await value(rig, "cronprobe_agent_tasks_running", agent="fra-1") == 0
        seen = await value(rig, "cronprobe_agent_last_seen_timestamp_seconds", agent="fra-1")
        assert seen + await value(rig, "cronprobe_agent_clock_skew_seconds", agent="fra-1") == pytest.approx(1)


async def test_a_store_that_fails_shows(rig: Rig) -> None:
    assert await value(rig, "cronprobe_store_up") == 1
    database = rig.database()
    database.execute("ALTER TABLE task RENAME TO hidden")
    await rig.root.refusal("task_create_batch", [tick()])
    database.close()
    assert await value(rig, "cronprobe_store_up") == 0
    assert await value(rig, "cronprobe_store_errors_total") == 1


async def test_a_task_that_ran_at_a_restart_counts_for_its_probe(open_rig: OpenRig) -> None:
    async with open_rig() as rig, rig.agent() as agent:
        await rig.root.call("task_create_batch", [tick()])
        task = await agent.task()
    async with open_rig() as rig, rig.agent() as agent:
        await agent.upload(agent.response(task, {"ping": 1.0}))
        assert await value(rig, "cronprobe_runs_total", **FRA, outcome="ok") == 1
