"""Gauges that come from what an agent told, that survive a restart, and that leave with what they are about."""

import asyncio
from typing import Any

import pytest

from tests.fakes import DEADLINE_S
from tests.server.rig import AGENT, OTHER, OpenRig, Rig, new_task
from tests.server.test_server_metrics import FRA, Labels, series, tick, value, values

HTTP: Labels = {"cron_source": "web", "agent": "fra-1", "type": "http_ping", "target": "https://a.example/"}
TOLD: dict[str, Any] = {
    "duration_ms": 12.5,
    "status": 204,
    "address": "2001:db8::1",
    "cert_expires_at": 4_000_000_000_000,
    "phases_ms": {"resolve": 1.5, "connect": 2.0, "tls": 3.0, "processing": 6.0},
}
GAUGES = {
    "probe_success": 1,
    "probe_duration_seconds": 0.0125,
    "probe_degraded": 0,
    "probe_http_status_code": 204,
    "probe_ssl_earliest_cert_expiry": 4_000_000_000,
    "probe_dns_lookup_time_seconds": 0.0015,
    "probe_ip_protocol": 6,
    "cronprobe_last_run_timestamp_seconds": 4_000_000_000.001,
}


def declared(name: str = "web", *, target: str = "https://a.example/", **members: Any) -> dict[str, Any]:
    return {
        "name": name,
        "schedule": "@daily",
        "timezone": "UTC",
        "enabled": True,
        "task": {"http_ping": target},
        "agents": [{"uuid": AGENT, "name": "fra-1", "labels": {"region": "eu", "rack-no": "7"}}],
        "cells": [{"name": "", "type": "http_ping", "target": target}],
        **members,
    }


def web(at: int, **members: Any) -> dict[str, Any]:
    return tick(at, cron_source="web", task_type={"http_ping": "https://a.example/"}, **members)


async def run(rig: Rig, task: dict[str, Any], result: Any = None, **members: Any) -> None:
    """One run with this end."""
    async with rig.agent() as agent:
        await rig.root.call("task_create_batch", [task])
        event = await agent.task()
        await agent.upload(agent.response(event, result, success=result is not None, **members))


async def gauges(rig: Rig, **labels: str) -> dict[str, list[float]]:
    return {name: await values(rig, name, **labels) for name in GAUGES}


async def restored(rig: Rig, **labels: str) -> None:
    """Wait until the last state of the probe is back."""
    async with asyncio.timeout(DEADLINE_S):
        while not await values(rig, "probe_success", **labels):
            await asyncio.sleep(0.01)


async def test_what_the_agent_told_of_the_last_known_run_is_shown(rig: Rig) -> None:
    await run(rig, web(1), {"http_ping": 12.5}, detail=TOLD)
    assert await gauges(rig, **HTTP) == {name: [wanted] for name, wanted in GAUGES.items()}
    for phase, duration_ms in TOLD["phases_ms"].items():
        assert await value(rig, "probe_http_duration_seconds", **HTTP, phase=phase) == duration_ms / 1000
    assert len(await values(rig, "probe_http_duration_seconds")) == 4
    await rig.root.call("task_create_batch", [web(2)])  # the agent is away
    assert await value(rig, "probe_http_status_code", **HTTP) == 204
    await run(rig, web(3), reason="connect_refused")
    for name in ("probe_http_status_code", "probe_http_duration_seconds", "probe_ssl_earliest_cert_expiry"):
        assert await values(rig, name) == []
    assert await value(rig, "probe_duration_seconds", **HTTP) == 0.0125


@pytest.mark.parametrize(
    "detail",
    [
        {"status": "200", "cert_expires_at": -1, "address": 7, "loss": 101, "sent": 1, "received": 2},
        {"status": True, "phases_ms": {"connect": "1", "other": 1, "tls": -1}, "loss": None, "resolve_ms": 1e12},
        {"status": 2**70, "phases_ms": [1], "cert_expires_at": 2**70, "address": "", "sent": 5},
        {"rtts_ms": [1, "2"], "received": 3},
    ],
)
async def test_what_cannot_be_is_as_if_it_were_not_said(rig: Rig, detail: dict[str, Any]) -> None:
    await run(rig, tick(1), {"ping": 12.5}, detail=detail)
    names = {name for name, labels, _ in await series(rig) if labels.items() >= FRA.items()}
    assert names == {
        "probe_success",
        "probe_duration_seconds",
        "probe_degraded",
        "cronprobe_last_run_timestamp_seconds",
        "cronprobe_runs_total",
        *(f"cronprobe_latency_seconds_{part}" for part in ("bucket", "sum", "count")),
    }
    assert await value(rig, "cronprobe_latency_seconds_count", **FRA) == 1


async def test_packets_are_counted(rig: Rig) -> None:
    await run(rig, tick(1), {"ping": 12.5}, detail={"sent": 4, "received": 3, "loss": 25, "resolve_ms": 2.5})
    assert await value(rig, "probe_icmp_packet_loss_ratio", **FRA) == 0.25
    assert await value(rig, "probe_dns_lookup_time_seconds", **FRA) == 0.0025
    await run(rig, tick(2), reason="timeout", detail={"sent": 4, "received": 0, "loss": 100})
    assert await value(rig, "cronprobe_icmp_packets_sent_total", **FRA) == 8
    assert await value(rig, "cronprobe_icmp_packets_received_total", **FRA) == 3
    assert await value(rig, "probe_icmp_packet_loss_ratio", **FRA) == 1


async def test_the_last_states_survive_a_restart_and_nothing_is_counted_for_them(open_rig: OpenRig) -> None:
    async with open_rig() as rig:
        await rig.root.call("job_declare", [declared()])
        await run(rig, web(1), {"http_ping": 12.5}, detail=TOLD)
        await rig.root.call("task_create_batch", [web(2)])  # unknown: the agent is away
    async with open_rig() as rig:
        await restored(rig, **HTTP)
        assert await gauges(rig, **HTTP) == {name: [wanted] for name, wanted in GAUGES.items()}
        assert await value(rig, "probe_http_duration_seconds", **HTTP, phase="tls") == 0.003
        for outcome in ("ok", "failed", "unknown"):
            assert await value(rig, "cronprobe_runs_total", **HTTP, outcome=outcome) == 0
        assert await value(rig, "cronprobe_latency_seconds_count", **HTTP) == 0
        assert await value(rig, "cronprobe_agent_info", agent="fra-1", label_region="eu", label_rack_no="7") == 1


async def test_a_failed_last_state_still_knows_the_latency_before(open_rig: OpenRig) -> None:
    async with open_rig() as rig:
        await rig.root.call("job_declare", [declared()])
        await run(rig, web(1), {"http_ping": 12.5}, detail=TOLD)
        await run(rig, web(2), reason="timeout")
    async with open_rig() as rig:
        await restored(rig, **HTTP)
        assert await value(rig, "probe_success", **HTTP) == 0
        assert await value(rig, "probe_duration_seconds", **HTTP) == 0.0125
        assert await values(rig, "probe_http_status_code") == []


async def test_a_job_that_comes_back_has_its_last_state_unless_its_target_is_another(rig: Rig) -> None:
    await rig.root.call("job_declare", [declared()])
    await run(rig, web(1), {"http_ping": 12.5}, detail=TOLD)
    await rig.root.call("job_declare", [])
    assert await values(rig, "probe_success") == []
    other = declared(target="https://b.example/")
    await rig.root.call("job_declare", [other, declared("later")])
    await rig.root.call("job_declare", [declared()])
    await restored(rig, **HTTP)
    assert await values(rig, "probe_success", target="https://b.example/") == []


async def test_what_was_found_since_the_start_is_not_overwritten(open_rig: OpenRig) -> None:
    async with open_rig() as rig:
        await rig.root.call("job_declare", [declared()])
        await run(rig, web(1), {"http_ping": 12.5}, detail=TOLD)
        await rig.root.call("job_declare", [])
        await run(rig, web(2), reason="timeout")
        await rig.root.call("job_declare", [declared()])
        await run(rig, web(3), {"http_ping": 1.0})
        await rig.root.call("job_declare", [declared(schedule="@hourly")])
        assert await value(rig, "probe_duration_seconds", **HTTP) == 0.001
        assert await value(rig, "cronprobe_last_run_timestamp_seconds", **HTTP) == 4_000_000_000.003


async def test_a_declared_probe_has_its_three_outcomes_before_its_first_tick(rig: Rig) -> None:
    await rig.root.call("job_declare", [declared()])
    assert await values(rig, "cronprobe_runs_total", **HTTP) == [0, 0, 0]
    assert await values(rig, "probe_success") == []


@pytest.mark.parametrize(
    "after",
    [
        [],
        [declared(enabled=False)],
        [declared(agents=[{"uuid": OTHER, "name": "nyc-1"}])],
        [declared(cells=[{"name": "", "type": "http_ping", "target": "https://c.example/"}])],
    ],
    ids=["job", "enabled", "agent", "cell"],
)
async def test_all_series_of_a_probe_leave_with_what_they_are_about(rig: Rig, after: list[dict[str, Any]]) -> None:
    await rig.root.call("job_declare", [declared()])
    packets = {"sent": 1, "received": 1, "loss": 0, "resolve_ms": 1.0}
    await run(rig, web(1), {"http_ping": 12.5}, detail={**TOLD, **packets})
    families = {name for name, labels, _ in await series(rig) if labels.items() >= HTTP.items()}
    assert len(families) == 16
    await rig.root.call("job_declare", after)
    assert [name for name, labels, _ in await series(rig) if labels.items() >= HTTP.items()] == []
    names = {job["name"] for job in after if job["enabled"]}
    for family in ("cronprobe_job_info", "cronprobe_job_in_maintenance"):
        assert len(await values(rig, family)) == len(names)
    still = ["fra-1"] if after and after[0]["agents"][0]["uuid"] == AGENT else []
    for family in ("cronprobe_agent_info", "cronprobe_agent_connected"):
        assert len(await values(rig, family, agent="fra-1")) == len(still)


async def test_an_agent_that_left_the_job_file_is_shown_while_it_is_here(rig: Rig) -> None:
    await rig.root.call("job_declare", [declared()])
    async with rig.agent():
        await rig.root.call("job_declare", [])
        assert await value(rig, "cronprobe_agent_connected", agent="fra-1") == 1
        assert await values(rig, "cronprobe_agent_info", label_region="eu") == []


async def test_a_job_is_in_maintenance_as_its_newest_tick_was(rig: Rig) -> None:
    job = {"cron_source": "web"}
    await rig.root.call("job_declare", [declared()])
    assert await value(rig, "cronprobe_job_in_maintenance", **job) == 0
    for at, in_maintenance in ((1, True), (3, False), (2, True), (4, True)):
        await rig.root.call("task_create_batch", [web(at, in_maintenance=in_maintenance)])
        assert await value(rig, "cronprobe_job_in_maintenance", **job) == (at in (1, 4))
    assert len(await values(rig, "cronprobe_job_in_maintenance")) == 1


async def test_a_job_is_still_in_maintenance_after_a_restart(open_rig: OpenRig) -> None:
    async with open_rig() as rig:
        await rig.root.call("job_declare", [declared()])
        await run(rig, web(1), {"http_ping": 12.5})
        await rig.root.call("task_create_batch", [web(2, in_maintenance=True)])  # unknown
    async with open_rig() as rig:
        await restored(rig, **HTTP)
        assert await value(rig, "cronprobe_job_in_maintenance", cron_source="web") == 1


async def test_jobs_that_nobody_declared_have_no_state_of_maintenance(rig: Rig) -> None:
    await rig.root.call("task_create_batch", [new_task(in_maintenance=True)])
    assert await values(rig, "cronprobe_job_in_maintenance") == []
