"""The agent against a scripted server: the introduction, tasks in, results out, and leaving."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from random import Random
from typing import Any, Self

import pytest
from msgspec import Raw
from structlog.testing import capture_logs

from agent.app import open_agent
from agent.connection import Connection
from agent.probes.interface import Ending, Found, network
from agent.spool import Spool
from agent.worker import Limits, Origin, Worker, budget_s
from protocol.methods.task import ClientInfo
from tests.agent.scripted_server import AGENT_UUID, ScriptedServer, Session, notification, open_server, task
from tests.agent.targets import closed_port, open_target, reply

ON_ONE_LOOP = pytest.mark.asyncio(loop_factories=["uvloop"])
NOT_ALLOWED = "Permission denied: Permission Denied: Task not allowed"


@asynccontextmanager
async def agent_of(server: ScriptedServer, **changes: Any) -> AsyncIterator[Session]:
    async with open_agent(server.agent(**changes)):
        yield await server.session()


class Heard:
    """What was logged meanwhile, as it comes."""

    def __init__(self) -> None:
        self._lines: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._capture = capture_logs(processors=[self._put])

    async def __aenter__(self) -> Self:
        self._capture.__enter__()
        return self

    async def __aexit__(self, *exception: Any) -> None:
        self._capture.__exit__(*exception)

    def _put(self, _logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        self._lines.put_nowait(dict(line))
        return line

    async def line(self, event: str) -> dict[str, Any]:
        """The next line of this event."""
        async with asyncio.timeout(5):
            while (line := await self._lines.get())["event"] != event:
                pass
        return line


def now_s() -> float:
    return asyncio.get_running_loop().time()


async def test_it_registers_as_a_cronprobe_agent(server: ScriptedServer) -> None:
    async with agent_of(server, labels={"region": "eu"}) as session:
        token, uuid, client = session.registration["params"]
    assert (token, uuid) == ("key:secret", AGENT_UUID)
    assert client.pop("client").startswith("cronprobe/")
    assert client == {"batch": True, "labels": {"region": "eu"}}


async def test_a_server_with_another_uuid_gets_no_token(server: ScriptedServer) -> None:
    server.uuid = "00000000-0000-0000-0000-000000000001"
    async with Heard() as heard, open_agent(server.agent()):
        line = await heard.line("no connection")
    assert line["why"] == (
        "server_uuid: the server says 00000000-0000-0000-0000-000000000001, the configuration "
        "5f0c2f4e-4f43-4b0e-9d6a-2a4a7c9d1b10; correct one of them"
    )
    assert line["again_in_s"] == 30
    assert server.calls == ["nodeget-server_uuid"]


async def test_uuids_are_compared_in_normal_form(server: ScriptedServer) -> None:
    server.uuid = "{5F0C2F4E-4F43-4B0E-9D6A-2A4A7C9D1B10}"
    async with agent_of(server) as session:
        assert session.registration


@ON_ONE_LOOP
async def test_a_refused_registration_is_not_hammered(server: ScriptedServer) -> None:
    server.refusal = {"code": 102, "message": "Permission denied: Invalid credentials"}
    async with Heard() as heard, open_agent(server.agent()):
        first = await heard.line("no connection")
        start_s = now_s()
        second = await heard.line("no connection")
    assert now_s() - start_s > 0.75
    assert second["again_in_s"] > first["again_in_s"]
    assert second["why"] == "task_register_task was refused: Permission denied: Invalid credentials (102)"


async def test_without_allow_task_it_does_not_register(server: ScriptedServer) -> None:
    config = server.agent(servers=(server.config(allow_task=False),))
    async with Heard() as heard, open_agent(config):
        line = await heard.line("connected")
    assert not line["takes_tasks"]
    assert server.calls == ["nodeget-server_uuid"]


@pytest.mark.parametrize("ignore_cert", [True, False])
async def test_only_ignore_cert_takes_an_unknown_certificate(certificate: ssl.SSLContext, ignore_cert: bool) -> None:
    async with open_server(certificate) as server, Heard() as heard:
        config = server.agent(servers=(server.config(ignore_cert=ignore_cert),))
        async with open_agent(config):
            await heard.line("connected" if ignore_cert else "no connection")
    assert bool(server.calls) == ignore_cert


async def test_a_batch_of_tasks_gives_batches_of_results(server: ScriptedServer) -> None:
    async with open_target(keeps_open=True) as target, agent_of(server) as session:
        address = f"127.0.0.1:{target.port}"
        found = await session.run(*(task(n, {"tcp_ping": address}) for n in range(1, 101)))
    assert [upload["task_id"] for upload in found] == list(range(1, 101))
    assert all(upload["success"] and upload["task_event_result"]["tcp_ping"] > 0 for upload in found)
    assert len(session.frames) < 100


async def test_a_result_says_all_about_its_task(server: ScriptedServer) -> None:
    async with open_target(reply(b"ok")) as target, agent_of(server) as session:
        request = {"url": target.url(), "method": "GET"}
        await session.send(notification(task(5, {"http_request": request}, timeout_ms=5000, deadline=1)))
        (upload,) = await session.uploads(1)
    assert (upload["task_token"], upload["agent_uuid"]) == ("token-5", AGENT_UUID)
    assert upload["started_at"] <= upload["timestamp"]
    assert upload["success"]
    assert upload["error_message"] is None
    assert "reason" not in upload
    assert upload["task_event_result"]["http_request"]["body"] == "ok"
    assert upload["detail"]["duration_ms"] > 0


async def test_a_failed_probe_is_uploaded_with_its_reason(server: ScriptedServer) -> None:
    async with agent_of(server) as session:
        with closed_port() as port:
            (upload,) = await session.run(task(1, {"tcp_ping": f"127.0.0.1:{port}"}))
    assert not upload["success"]
    assert upload["task_event_result"] is None
    assert upload["reason"] == "connect_refused"


async def test_what_is_not_allowed_is_refused(server: ScriptedServer) -> None:
    config = server.agent(servers=(server.config(allow_task_type=("tcp_ping",)),))
    async with open_agent(config):
        session = await server.session()
        (upload,) = await session.run(task(1, {"ping": "127.0.0.1"}))
    assert (upload["success"], upload["error_message"], upload["reason"]) == (False, NOT_ALLOWED, "refused")
    assert upload["detail"] == {"switch": "allow_task_type"}


async def test_a_refusal_names_the_switch_that_would_permit_it(server: ScriptedServer) -> None:
    tasks = [task(1, {"execute": {"cmd": "x", "args": []}}), task(2, "version"), task(3, {"ping": "127.0.0.1"})]
    config = server.agent(servers=(server.config(allow_icmp_ping=False),))
    async with open_agent(config):
        session = await server.session()
        uploads = await session.run(*tasks)
    assert [upload["detail"]["switch"] for upload in uploads] == ["allow_execute", "allow_version", "allow_icmp_ping"]


async def test_an_unreadable_task_is_answered_when_its_id_is_readable(server: ScriptedServer) -> None:
    async with agent_of(server) as session:
        await session.send({"jsonrpc": "2.0", "method": "task_register_task", "params": {"result": {"task_id": "x"}}})
        await session.send("no JSON at all")
        (upload,) = await session.run(task(1, {"teleport": "mars"}))
    assert upload["error_message"].startswith("Other error: unknown variant `teleport`")
    assert upload["reason"] == "refused"


async def test_a_task_that_comes_twice_runs_once(server: ScriptedServer) -> None:
    server.acknowledges = False
    async with open_target(reply()) as target, agent_of(server) as session:
        twice = task(1, {"http_ping": target.url()})
        await session.run(twice)
        await session.send([notification(twice), notification(twice)])
        await session.run(task(2, {"http_ping": target.url("/last")}))
    assert len(target.requests) == 2


async def test_unacknowledged_results_are_sent_again_after_a_drop(server: ScriptedServer) -> None:
    server.acknowledges = False
    async with open_target(reply()) as target, agent_of(server) as session:
        first = await session.run(*(task(n, {"http_ping": target.url()}) for n in (1, 2, 3)))
        dropped_s = now_s()
        server.acknowledges = True
        await session.drop()
        session = await server.session()
        assert await session.uploads(3) == first
        assert 0.75 < session.registered_s - dropped_s < 2
    assert len(target.requests) == 3


@ON_ONE_LOOP
async def test_a_result_that_was_not_stored_is_sent_again(server: ScriptedServer) -> None:
    server.upload_error = {"code": 103, "message": "Database error: locked"}
    async with agent_of(server) as session:
        first = await session.run(task(1, {"ping": "127.0.0.1"}))
        server.upload_error = None
        assert await session.uploads(1) == first


async def test_leaving_with_a_hanging_probe_takes_less_than_a_second(server: ScriptedServer) -> None:
    async with open_target(keeps_open=True) as target:
        async with agent_of(server) as session:
            await session.send(notification(task(1, {"http_ping": target.url()})))
            await asyncio.wait_for(target.asked.wait(), 5)
            start_s = now_s()
        assert now_s() - start_s < 1
        await asyncio.wait_for(session.ended.wait(), 5)
    assert session.close_code == 1000


async def test_leaving_gives_a_probe_in_flight_the_time_to_end(server: ScriptedServer) -> None:
    release = asyncio.Event()

    async def slow(_payload: object) -> Ending:
        started.set()
        await release.wait()
        return Found(1.0)

    started = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        worker = worker_of(group, ping=slow)
        spool = Spool(server_name="home", token="", size=1)
        worker.accept([raw(task(1, {"ping": "x"}))], Origin(server.config(), frozenset({"ping"}), spool))
        await started.wait()
        asyncio.get_running_loop().call_soon(release.set)
        await worker.stop(5)
    assert spool.next_frame(0) is not None


async def test_leaving_while_no_server_is_there_takes_less_than_a_second(server: ScriptedServer) -> None:
    with closed_port() as port:
        config = server.agent(servers=(server.config(ws_url=f"ws://127.0.0.1:{port}/"),))
        async with Heard() as heard, open_agent(config):
            await heard.line("no connection")
            start_s = now_s()
        assert now_s() - start_s < 1


async def test_a_cancelled_body_stops_the_agent(server: ScriptedServer) -> None:
    inside = asyncio.Event()

    async def body() -> None:
        async with agent_of(server):
            inside.set()
            await asyncio.Event().wait()

    running = asyncio.create_task(body())
    await asyncio.wait_for(inside.wait(), 5)
    running.cancel()
    start_s = now_s()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert now_s() - start_s < 1


async def test_a_part_that_dies_takes_the_agent_down(server: ScriptedServer) -> None:
    impossible = server.config(ws_url=None)
    with pytest.raises(ExceptionGroup) as caught:
        async with open_agent(server.agent(servers=(server.config(), impossible))):
            await asyncio.wait_for(asyncio.Event().wait(), 5)
    assert isinstance(caught.value.exceptions[0], TypeError)


async def test_every_server_has_its_own_results(server: ScriptedServer) -> None:
    async with open_server() as other, open_target(reply()) as target:
        config = server.agent(servers=(server.config(), other.config(name="other", allow_http_ping=False)))
        async with open_agent(config):
            here, there = await server.session(), await other.session()
            same = task(1, {"http_ping": target.url()})
            (found,) = await here.run(same)
            (refused,) = await there.run(same)
    assert (found["success"], refused["error_message"]) == (True, NOT_ALLOWED)


async def test_the_registration_is_repeated_on_the_same_connection(server: ScriptedServer) -> None:
    async with asyncio.TaskGroup() as group:
        connection = Connection(
            server=server.config(),
            agent_uuid=AGENT_UUID,
            client_info=ClientInfo(),
            connect_limit_s=5,
            spool=Spool(server_name="home", token="", size=1),
            worker=worker_of(group),
            rng=Random(1),
            register_every_s=0.01,
        )
        run = group.create_task(connection.run())
        session = await server.session()
        await asyncio.wait_for(session.registered_again.wait(), 5)
        run.cancel()
    assert not session.frames[0]["params"][2]["batch"]


async def test_a_probe_that_takes_too_long_times_out(server: ScriptedServer) -> None:
    async with open_target(keeps_open=True) as target, agent_of(server) as session:
        (upload,) = await session.run(task(1, {"http_ping": target.url()}, timeout_ms=100))
    assert upload["error_message"] == "Other error: Network task timed out after 0.08s (pool limit)"
    assert upload["reason"] == "timeout"


def test_the_way_back_is_kept_free() -> None:
    assert [budget_s(ms) for ms in (10_000, 1_250, 1_000, 100)] == [9.75, 1, 0.8, 0.08]


async def test_waiting_for_a_seat_is_not_running(server: ScriptedServer) -> None:
    """Without a timeout of its own a task waits as long as any task may take, and runs as long as the network may."""
    async with (
        open_target(keeps_open=True) as target,
        agent_of(server, network_seats=1, network_timeout_ms=150) as session,
    ):
        uploads = await session.run(*(task(n, {"http_ping": target.url()}) for n in (1, 2, 3)))
    text = "Other error: Network task timed out after 0.15s (pool limit)"
    assert [upload["error_message"] for upload in uploads] == [text] * 3
    starts = sorted(upload["started_at"] for upload in uploads)
    assert starts[2] - starts[0] >= 290


async def test_any_task_ends_when_the_whole_of_it_takes_too_long(server: ScriptedServer) -> None:
    config = server.agent(servers=(server.config(allow_execute=True),), network_seats=1, task_timeout_ms=300)
    async with open_target(keeps_open=True) as target, open_agent(config):
        session = await server.session()
        tasks = [task(1, {"http_ping": target.url()}), task(2, {"http_ping": target.url()})]
        slow = task(3, {"execute": {"cmd": "sleep", "args": ["30"]}})
        uploads = await session.run(*tasks, slow)
    assert [upload["error_message"] for upload in uploads] == ["Other error: Task timed out after 0.3s"] * 3
    assert [upload["reason"] for upload in uploads] == ["timeout", "internal", "timeout"]


async def test_a_seat_that_comes_too_late_is_no_failure_of_the_target(server: ScriptedServer) -> None:
    async with open_target(keeps_open=True) as target, agent_of(server, network_seats=1) as session:
        first = task(1, {"http_ping": target.url()}, timeout_ms=500)
        second = task(2, {"http_ping": target.url()}, timeout_ms=600)
        uploads = await session.run(first, second)
    assert [upload["reason"] for upload in uploads] == ["timeout", "internal"]
    assert uploads[1]["error_message"] == "Other error: No seat in time within 0.48s: all 1 were taken"


async def test_a_task_without_a_seat_says_nothing_about_its_target(server: ScriptedServer) -> None:
    async with open_target(keeps_open=True) as target, agent_of(server, network_seats=1) as session:
        await session.send(notification(task(1, {"http_ping": target.url()}, timeout_ms=2000)))
        await asyncio.wait_for(target.asked.wait(), 5)
        (upload,) = await session.run(task(2, {"ping": "127.0.0.1"}, timeout_ms=100))
    assert upload["error_message"] == "Other error: No seat in time within 0.08s: all 1 were taken"
    assert upload["reason"] == "internal"
    assert "started_at" not in upload


async def test_a_bug_in_a_probe_is_a_result(server: ScriptedServer) -> None:
    async def broken(_payload: object) -> Ending:
        raise LookupError("a bug")

    spool = Spool(server_name="home", token="", size=1)
    with capture_logs() as logs:
        async with asyncio.TaskGroup() as group:
            worker = worker_of(group, ping=broken)
            worker.accept([raw(task(1, {"ping": "x"}))], Origin(server.config(), frozenset({"ping"}), spool))
    assert logs[0]["exc_info"]
    frame = spool.next_frame(0)
    assert frame is not None
    upload = json.loads(frame)["params"][1]
    assert (upload["error_message"], upload["reason"]) == ("Other error: a bug", "internal")


def worker_of(group: asyncio.TaskGroup, **probes: Callable[[object], Awaitable[Ending]]) -> Worker:
    limits = Limits(network_seats=1, terminals=1, network_s=10, task_s=600)
    table = {name: network(probe) for name, probe in probes.items()}
    return Worker(agent_uuid=AGENT_UUID, probes=table, limits=limits, now_ms=lambda: 1, group=group)


def raw(event: dict[str, Any]) -> Raw:
    return Raw(json.dumps(event).encode())
