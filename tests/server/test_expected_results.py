"""What a job expects of its results, its secrets, overlapping and marked runs: through the server's doors."""

from typing import Any

import pytest

from tests.server.rig import AGENT, OpenRig, Rig, new_task

REQUEST = {"http_request": {"url": "https://host.example/", "method": "GET"}}


def response(status: int = 200, body: str = '{"a":[{"up":true}],"n":1}') -> dict[str, Any]:
    return {"http_request": {"status": status, "headers": [{"content-type": "application/json; x"}], "body": body}}


async def judged(
    rig: Rig, expect: object, result: dict[str, Any], task: object = REQUEST, **more: Any
) -> dict[str, Any]:
    async with rig.agent() as agent:
        [created] = await rig.root.call("task_create_batch", [new_task(task_type=task, expect=expect)])
        uploaded = await agent.upload(agent.response(await agent.task(), result, **more))
        assert uploaded["result"] == created
    [row] = await rig.root.rows({"task_id": created["id"]}, detail=True)
    return row


@pytest.mark.parametrize(
    ("expect", "result", "detail", "reason", "message"),
    [
        ({"status": [200, 204]}, response(), None, None, None),
        ({"status": ["2xx"]}, response(299), None, None, None),
        ({"status": [200, 204]}, response(503), None, "status", "expect.status: got 503, want 200 or 204"),
        ({"body_regex": '"up":\\s*true'}, response(), None, None, None),
        ({"body_regex": "^ok"}, response(body="no\n"), None, "body", "expect.body_regex: got 'no\\n', want ^ok"),
        ({"json": {"a[0].up": True, "n": 1}}, response(), None, None, None),
        ({"body_regex": "(a+)+$"}, response(body="a" * 100_000 + "b"), None, "body", None),
        (
            {"json": {"n": 1}},
            response(body='"' + "x" * 4 * 1024 * 1024 + '"'),
            None,
            "json",
            "expect.json: got 4,194,306 characters, want 4,194,304 at most",
        ),
        ({"json": {"n": True}}, response(), None, "json", "expect.json n: got 1, want true"),
        ({"json": {"x.y": "z"}}, response(), None, "json", 'expect.json x.y: got null, want "z"'),
        ({"json": {"x": 1}}, response(body="<p>"), None, "json", "expect.json: got '<p>', want a JSON document"),
        ({"header": {"Content-Type": "^application/json"}}, response(), None, None, None),
        ({"header": {"etag": "."}}, response(), None, "header", "expect.header etag: got none, want ."),
        ({"latency": {"fail_ms": 50}}, response(), {"duration_ms": 49.0}, None, None),
        (
            {"latency": {"fail_ms": 50}},
            response(),
            {"duration_ms": 51.5},
            "latency",
            "expect.latency: got 51.5 ms, want 50 ms at most",
        ),
        (
            {"cert_valid_for_ms": 86_400_000},
            response(),
            {"cert_expires_at": 1_000},
            "cert_expiry",
            None,
        ),
        (
            {"cert_valid_for_ms": 1},
            response(),
            None,
            "no_detail",
            "expect.cert_valid_for: the agent does not say what this needs; update it",
        ),
        ({"status": [200], "body_regex": "x"}, response(500, "y"), None, "status", None),
    ],
)
async def test_the_first_expectation_that_does_not_hold_is_the_reason(
    rig: Rig, expect: object, result: dict[str, Any], detail: Any, reason: str | None, message: str | None
) -> None:
    row = await judged(rig, expect, result, detail=detail)
    assert (row["success"], row["reason"]) == (reason is None, reason)
    assert row["outcome"] == {None: "ok", "no_detail": "unknown"}.get(reason, "failed")
    if message is not None or reason is None:
        assert row["error_message"] == message
    assert row["task_event_result"]["http_request"]["status"] == result["http_request"]["status"]


async def test_loss_is_held_against_what_the_agent_counted(rig: Rig) -> None:
    row = await judged(rig, {"loss": 10}, {"ping": 1.5}, {"ping": "h"}, detail={"loss": 20.0})
    assert (row["reason"], row["error_message"]) == ("loss", "expect.loss: got 20 %, want 10 % at most")
    assert row["task_event_result"] == {"ping": 1.5}


async def test_a_slow_run_is_ok_and_degraded(rig: Rig) -> None:
    row = await judged(rig, {"latency": {"warn_ms": 10, "fail_ms": 100}}, {"ping": 20.0}, {"ping": "h"})
    assert (row["outcome"], row["degraded"]) == ("ok", True)
    _, page = await rig.root.page("/metrics")
    assert 'probe_degraded{cron_source="job",' in page
    assert page.split('probe_degraded{cron_source="job",')[1].splitlines()[0].endswith(" 1")


@pytest.mark.parametrize(
    "wrong",
    [
        {"expect": {"status": [99]}},
        {"expect": {"sattus": [200]}},
        {"expect": {"body_regex": "("}},
        {"expect": {"json": {"[": 1}}},
        {"options": {"count": 0}},
        {"secrets": {"ping": "execute"}},
        {"secrets": {"${env:A}": "x"}, "task_type": {"${env:A}": "host"}},
    ],
)
async def test_what_makes_no_sense_is_refused(rig: Rig, wrong: dict[str, Any]) -> None:
    [answer] = await rig.root.call("task_create_batch", [new_task(**wrong)])
    assert answer["code"] == -32602
    assert await rig.root.rows() == []


async def test_a_secret_reaches_the_agent_and_shows_nowhere_else(open_rig: OpenRig) -> None:
    task = {"http_request": {"url": "https://h.example/?k=${env:K}", "method": "GET", "headers": {"t": "${env:K}"}}}
    secret = 'geheim"nis'
    expect = {"body_regex": "${env:K}", "json": {"a": "${env:K}"}}
    async with open_rig() as rig, rig.agent() as agent:
        new = new_task(task_type=task, secrets={"${env:K}": secret}, expect=expect)
        [created] = await rig.root.call("task_create_batch", [new])
        event = await agent.task()
        sent = event["task_event_type"]["http_request"]
        assert sent["headers"] == {"t": secret}
        assert "geheim" in sent["url"]
        echo = {"http_request": {"status": 200, "headers": [{"x": secret}], "body": f"you said {secret}"}}
        await agent.upload(agent.response(event, echo, detail={"address": secret}))
        [row] = await rig.root.rows({"task_id": created["id"]}, detail=True)
        assert row["reason"] == "json"
        assert row["task_event_result"]["http_request"]["body"] == "you said ${env:K}"
        assert "geheim" not in str(row)
        _, page = await rig.root.page("/metrics")
        assert "geheim" not in page
        files = b"".join(path.read_bytes() for path in rig.state_dir.iterdir() if path.is_file())
        assert b"geheim" not in files
        assert b"${env:K}" in files


async def test_a_tick_whose_predecessor_still_runs_ends_as_overlap(rig: Rig) -> None:
    async with rig.agent() as agent:
        first, second = (new_task(at, skip_overlap=True) for at in (1, 2))
        [created] = await rig.root.call("task_create_batch", [first])
        event = await agent.task()
        [overlapping] = await rig.root.call("task_create_batch", [second])
        assert overlapping["overlap"]
        await agent.upload(agent.response(event, {"ping": 1.0}))
        [third] = await rig.root.call("task_create_batch", [new_task(3, skip_overlap=True)])
        assert third.keys() == {"id"}
    [row] = await rig.root.rows({"task_id": overlapping["id"]}, detail=True)
    assert (row["outcome"], row["reason"]) == ("unknown", "overlap")
    assert row["error_message"] == "not dispatched: the task of the tick before still runs"
    assert created["id"] != overlapping["id"]


async def test_a_run_in_maintenance_is_marked_to_its_end(rig: Rig) -> None:
    async with rig.agent() as agent:
        [created] = await rig.root.call("task_create_batch", [new_task(in_maintenance=True)])
        await agent.upload(agent.response(await agent.task(), {"ping": 1.0}))
    [row] = await rig.root.rows({"task_id": created["id"]}, detail=True)
    assert row["maintenance"]


async def test_options_travel_to_our_agents_alone(rig: Rig) -> None:
    async with rig.agent() as agent:
        await rig.root.call("task_create_batch", [new_task(options={"count": 3})])
        assert (await agent.task())["options"] == {"count": 3}
    async with rig.agent(stock=True) as stock:
        await rig.root.call("task_create_batch", [new_task(2, options={"count": 3})])
        assert "options" not in await stock.task()


async def test_expectations_outlive_a_restart_unless_they_hold_secrets(open_rig: OpenRig) -> None:
    plain, secret = {"status": [200]}, {"body_regex": "${env:K}"}
    async with open_rig() as rig, rig.agent() as agent:
        new = [new_task(1, task_type=REQUEST, expect=plain)]
        new.append(new_task(2, task_type=REQUEST, expect=secret, secrets={"${env:K}": "geheim"}))
        created = await rig.root.call("task_create_batch", new)
        events = [await agent.task(), await agent.task()]
    async with open_rig() as rig, rig.agent() as agent:
        for event in events:
            await agent.upload(agent.response(event, response(500)))
        rows = {row["task_id"]: row["reason"] for row in await rig.root.rows(detail=True)}
    assert [rows[one["id"]] for one in created] == ["status", "internal"]


@pytest.mark.parametrize("length", [10, 79, 200])
async def test_no_part_of_a_secret_is_in_a_message(rig: Rig, length: int) -> None:
    secret = ("geheim" * 40)[:length]
    task = {"http_request": {"url": "https://h.example/", "method": "GET", "headers": {"t": "${env:K}"}}}
    for expect in (
        {"body_regex": "^${env:K}-${env:K}"},
        {"json": {"a": "${env:K}"}},
        {"json": {"b": "${env:K}x"}},
        {"header": {"t": "${env:K}y"}},
    ):
        async with rig.agent() as agent:
            new = new_task(length + len(str(expect)), task_type=task, expect=expect, secrets={"${env:K}": secret})
            [created] = await rig.root.call("task_create_batch", [new])
            text = '{"b": "' + "x" * 60 + secret + '"}'
            echo = {"http_request": {"status": 200, "headers": [{"t": "x" * 60 + secret}], "body": text}}
            await agent.upload(agent.response(await agent.task(), echo))
        [row] = await rig.root.rows({"task_id": created["id"]}, detail=True)
        assert row["reason"] in ("body", "json", "header")
        assert "gehe" not in str(row)


async def test_what_is_refused_quotes_no_part_of_a_secret(rig: Rig) -> None:
    secrets = {"${env:K}": "geheim" * 40}
    for wrong in (
        {"task_type": {"http_ping": "${env:K}"}},
        {"task_type": {"http_request": {"url": "http://h/", "method": "a ${env:K}"}}},
        {"task_type": REQUEST, "options": {"proxy": "${env:K}"}},
        {"task_type": REQUEST, "options": {"http_version": "${env:K}"}},
        {"task_type": REQUEST, "expect": {"body_regex": "(${env:K}"}},
    ):
        [answer] = await rig.root.call("task_create_batch", [new_task(secrets=secrets, **wrong)])
        assert "code" in answer
        assert "gehe" not in str(answer), answer


async def test_what_may_hold_a_secret_that_was_lost_is_withheld(open_rig: OpenRig) -> None:
    task = {"http_request": {"url": "https://h.example/", "method": "GET", "headers": {"t": "${env:K}"}}}
    async with open_rig() as rig, rig.agent() as agent:
        new = [new_task(1, task_type=task, secrets={"${env:K}": "geheim"}, timeout_ms=60_000)]
        new.append(new_task(2, task_type=REQUEST))
        created = await rig.root.call("task_create_batch", new)
        events = await agent.tasks(2)
    async with open_rig() as rig, rig.agent() as agent:
        for event in events:
            await agent.upload(agent.response(event, response(200, "you said geheim"), detail={"address": "geheim"}))
        rows = {row["task_id"]: row for row in await rig.root.rows(detail=True)}
        secret, plain = (rows[one["id"]] for one in created)
        files = b"".join(path.read_bytes() for path in rig.state_dir.iterdir() if path.is_file())
    assert (secret["outcome"], plain["outcome"]) == ("ok", "ok")
    assert secret["error_message"].startswith("withheld, for it may hold secrets")
    assert secret["task_event_result"] is None
    assert "geheim" not in str(secret)
    assert plain["task_event_result"]["http_request"]["body"] == "you said geheim"
    assert files.count(b"you said geheim") <= 2  # the plain one, in the database and in its log


async def test_what_is_no_longer_declared_leaves_the_page(rig: Rig) -> None:
    job = {"name": "job", "schedule": "@daily", "timezone": "UTC", "enabled": True, "task": {"ping": "host.example"}}
    job |= {"agents": [{"uuid": AGENT, "name": "fra-1"}], "labels": {"team": "net"}}
    job |= {"cells": [{"name": "", "type": "ping", "target": "host.example"}]}
    await rig.root.call("job_declare", [job])
    await rig.root.call("task_create_batch", [new_task(agent_name="fra-1", target="host.example")])
    _, page = await rig.root.page("/metrics")
    assert 'cronprobe_runs_total{cron_source="job",agent="fra-1"' in page
    info = 'cronprobe_job_info{cron_source="job",schedule="@daily",timezone="UTC",label_team="net"} 1'
    assert info in page
    await rig.root.call("job_declare", [])
    _, page = await rig.root.page("/metrics")
    assert 'cron_source="job"' not in page
    await rig.root.call("task_create_batch", [new_task(2, agent_name="fra-1", target="host.example")])  # it had waited
    await rig.root.call("job_declare", [])
    _, page = await rig.root.page("/metrics")
    assert 'cron_source="job"' not in page


async def test_gaps_are_kept_once_and_shown_newest_first(rig: Rig) -> None:
    job = {"name": "job", "schedule": "@daily", "timezone": "UTC", "enabled": True, "task": "ip", "agents": []}
    await rig.root.call("job_declare", [job])
    gap = {"cron_source": "job", "from_ms": 5, "to_ms": 9, "ticks": 3}
    later = {**gap, "from_ms": 20, "to_ms": 20, "ticks": 1}
    for _ in range(2):
        await rig.root.call("job_record_gaps", [gap, later])
    assert await rig.root.call("job_gaps") == [
        {"cron_source": "job", "from": 20, "to": 20, "ticks": 1},
        {"cron_source": "job", "from": 5, "to": 9, "ticks": 3},
    ]
    assert len(await rig.root.call("job_gaps", ["job"], 10)) == 1
    assert await rig.root.call("job_gaps", ["other"]) == []
    assert (await rig.root.refusal("job_record_gaps", [{**gap, "ticks": 0}]))["code"] == 108
