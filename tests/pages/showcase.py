"""A server with a day behind it: jobs in every state, as somebody would see them in the afternoon."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from protocol.outcomes import BY_WORD
from server.clock import now_ms
from server.store.interface import DEGRADED, MAINTENANCE
from tests.server.rig import AGENT, OTHER, Rig, open_rig_in

_STEP_MS = 60_000
_AGENTS = (("fra-1", AGENT), ("nyc-1", OTHER))


class _Job(NamedTuple):
    """``trouble`` is why runs failed for a quarter of an hour, by how many hours ago that began."""

    name: str
    text: str
    target: str
    schedule: str
    latency_ms: float
    trouble: dict[float, str]


_JOBS = (
    _Job("api-health", "GET /healthz of the API", "https://api.example.com/healthz", "* * * * *", 48, {0.2: "status"}),
    _Job("checkout", "Checkout through the shop", "https://shop.example.com/", "* * * * *", 210, {9.0: "timeout"}),
    _Job("dns-resolvers", "Both resolvers answer", "9.9.9.9", "*/2 * * * *", 11, {}),
    _Job("edge-ping", "Round trip to the edge", "edge.example.com", "*/30 * * * * *", 8, {3.0: "no_result"}),
    _Job("login", "The login page", "https://id.example.com/login", "* * * * *", 95, {}),
    _Job("mail-smtp", "The mail relay", "mail.example.com:25", "*/5 * * * *", 31, {15.0: "connect_refused"}),
    _Job("payments", "Gateway of the payment provider", "https://pay.example.com/ping", "* * * * *", 130, {}),
    _Job("postgres", "TCP port of the primary", "db-1.example.com:5432", "* * * * *", 2, {}),
    _Job("search", "Search answers below 400 ms", "https://search.example.com/", "* * * * *", 320, {}),
    _Job("vpn", "By its agent on site", "vpn.example.com:443", "* * * * *", 24, {0.1: "agent_offline"}),
)


def job(name: str, target: str = "host.example", **members: Any) -> dict[str, Any]:
    """A declared job with one cell on one agent."""
    return {
        "name": name,
        "schedule": "* * * * *",
        "timezone": "UTC",
        "enabled": True,
        "agents": [{"uuid": AGENT, "name": "fra-1"}],
        "task": {"ping": target},
        "cells": [{"name": "", "type": "ping", "target": target}],
        **members,
    }


def _declared() -> list[dict[str, Any]]:
    both = [{"uuid": uuid, "name": name} for name, uuid in _AGENTS]
    found = [
        job(
            one.name,
            one.target,
            schedule=one.schedule,
            agents=both if one.name not in ("postgres", "vpn") else both[:1],
            labels={"team": "payments" if one.name in ("payments", "checkout") else "platform"},
            definition={"description": one.text, "runbook_url": f"https://runbooks.example.com/{one.name}"},
        )
        for one in _JOBS
    ]
    return [
        *found,
        job("batch-import", "batch.example.com:22", schedule="0 3 * * *"),
        job("old-site", "old.example.com", enabled=False),
    ]


@asynccontextmanager
async def open_showcase(state_dir: Path, **settings: Any) -> AsyncIterator[Rig]:
    """The server, started again on the day that was written."""
    async with open_rig_in(state_dir) as rig:
        await rig.root.call("job_declare", _declared())
        tasks = [
            {
                "target_uuid": agent["uuid"],
                "agent_name": agent["name"],
                "task_type": declared["task"],
                "cron_source": declared["name"],
                "scheduled_at": now_ms(),
                "timeout_ms": 10_000,
            }
            for declared in _declared()[: len(_JOBS)]
            for agent in declared["agents"]
        ]
        await rig.root.call("task_create_batch", tasks)
        await rig.until_ended(len(tasks))
        _write_a_day(rig)
        start, end = now_ms() - 20_000_000, now_ms() - 18_200_000
        gaps = [{"cron_source": one.name, "from_ms": start, "to_ms": end, "ticks": 30} for one in _JOBS[:3]]
        await rig.root.call("job_record_gaps", gaps)
    async with open_rig_in(state_dir, **settings) as rig, rig.agent():
        yield rig


def _write_a_day(rig: Rig) -> None:
    """Rows as a day of ticks would have left them."""
    rng = Random(3)
    now = now_ms()
    with rig.database() as database:
        rows = database.execute(
            "SELECT job.name, task.job_id, task.spec_id, task.agent_id FROM task JOIN job ON job.id = task.job_id"
        ).fetchall()
        database.execute("DELETE FROM task")
        jobs = {one.name: one for one in _JOBS}
        times = range(now - 86_400_000, now, _STEP_MS)
        made = [
            (job_id, spec_id, agent_id, *_run(jobs[name], agent_id, at, now, rng))
            for name, job_id, spec_id, agent_id in rows
            for at in times
        ]
        database.execute("BEGIN")
        database.executemany(
            "INSERT INTO task (id, job_id, spec_id, agent_id, scheduled_ms, finished_ms, stored_ms, success, reason, "
            "latency_ms, flags, timeout_ms, token) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 10000, 'x')",
            [(100_000 + place, *row) for place, row in enumerate(made)],
        )
        failed = [(100_000 + place, row[0]) for place, row in enumerate(made) if row[7] == BY_WORD["status"]]
        database.executemany(
            "INSERT INTO task_result (task_id, error_message) VALUES (?, ?)",
            [(id_, "expect.status: got 503, want 200 or 204") for id_, _ in failed],
        )
        database.execute("COMMIT")


def _run(one: _Job, agent: int, at: int, now: int, rng: Random) -> tuple[Any, ...]:
    hours_ago = (now - at) / 3_600_000
    begun = [word for since, word in one.trouble.items() if since - 0.25 < hours_ago <= since]
    reason = begun[0] if begun and rng.random() < 0.9 else None
    is_slow = one.name == "search" and hours_ago < 2
    wave = 1 + 0.25 * math.sin(at / 1.2e7 + agent) + rng.random() * 0.2 + 0.5 * is_slow
    in_maintenance = one.name == "payments" and hours_ago < 0.5
    flags = DEGRADED * is_slow + MAINTENANCE * in_maintenance
    code = None if reason is None else int(BY_WORD[reason])
    latency_ms = None if reason else one.latency_ms * wave * (1 + 0.8 * (agent - 1))
    return at, at + 400, at + 410, reason is None, code, latency_ms, flags
