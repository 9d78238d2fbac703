"""Agents and their connections: who gets which frames, and who takes over from whom."""

import asyncio
import json

from tests.server.rig import AGENT, OTHER, Rig, new_task

PING = {"ping": "host.example"}


async def test_a_stock_agent_gets_a_frame_a_task_with_exactly_three_members(rig: Rig) -> None:
    async with rig.agent(stock=True) as agent:
        await rig.root.call("task_create_batch", [new_task(at) for at in range(100)])
        events = await agent.tasks(100)
    assert all(list(event) == ["task_id", "task_token", "task_event_type"] for event in events)
    assert [event["task_id"] for event in events] == sorted(event["task_id"] for event in events)
    assert all(isinstance(frame, dict) for frame in agent.frames)
    assert all(len(event["task_token"]) == 10 and event["task_token"].isalnum() for event in events)
    assert len({event["task_token"] for event in events}) == 100


async def test_an_event_is_written_to_the_letter(rig: Rig) -> None:
    request = {"url": "https://A.example", "method": "GET", "headers": {"b": "1", "a": "2"}}
    async with rig.peer() as peer:
        await peer.send(
            json.dumps(
                {"jsonrpc": "2.0", "id": 1, "method": "task_register_task", "params": [rig.root.token, AGENT.upper()]}
            )
        )
        subscription = (await peer.frame())["result"]
        created = await rig.root.call("task_create_task", AGENT, {"http_request": request})
        text = await peer.text()
    token = json.loads(text)["params"]["result"]["task_token"]
    assert text == (
        f'{{"jsonrpc":"2.0","method":"task_register_task","params":{{"subscription":{subscription},"result":'
        f'{{"task_id":{created["id"]},"task_token":"{token}","task_event_type":{{"http_request":'
        '{"url":"https://a.example/","method":"GET","headers":{"a":"2","b":"1"},"body":null,"body_base64":null,'
        '"ip":null}}}}}'
    )


async def test_registering_again_keeps_the_session_under_a_new_number(rig: Rig) -> None:
    async with rig.agent(stock=True) as agent:
        first = (await agent.register())["result"]
        second = (await agent.register())["result"]
        assert first != second
        await rig.root.call("task_create_task", AGENT, PING)
        await agent.task()
        assert agent.frames[-1]["params"]["subscription"] == second
        assert (await agent.ask("task_unregister_task", [first]))["result"] is False
        assert (await agent.ask("task_unregister_task", [second]))["result"] is True
    assert "cronprobe_agent_sessions_replaced_total 0.0" in (await rig.root.page("/metrics"))[1]


async def test_a_subscription_is_an_integer_below_two_to_the_53(rig: Rig) -> None:
    async with rig.agent() as agent:
        numbers = [(await agent.register())["result"] for _ in range(20)]
    assert all(type(number) is int and 0 <= number < 2**53 for number in numbers)


async def test_the_last_registration_wins(rig: Rig) -> None:
    async with rig.agent() as first, rig.agent() as second:
        await rig.root.call("task_create_task", AGENT, PING)
        await second.task()
        await first.register()
        await rig.root.call("task_create_task", AGENT, PING)
        await first.task()
        assert "cronprobe_agent_sessions_replaced_total 2.0" in (await rig.root.page("/metrics"))[1]


async def test_a_replaced_connection_that_closes_does_not_take_the_new_session_along(rig: Rig) -> None:
    async with rig.agent() as second:
        async with rig.agent() as first:
            await second.register()
            await first.ws.close()
        created = await rig.root.call("task_create_task", AGENT, PING)
        assert (await second.task())["task_id"] == created["id"]


async def test_a_connection_that_lost_its_agent_to_another_is_told(rig: Rig) -> None:
    async with rig.agent() as first, rig.agent() as second:
        assert await first.notice() == {
            "jsonrpc": "2.0",
            "method": "task_registration_replaced",
            "params": {"subscription": first.subscription, "result": {"uuid": AGENT}},
        }
        await second.ask("nodeget-server_hello", [])
        assert second.notices == []


async def test_agents_that_share_a_uuid_alternate(rig: Rig) -> None:
    async with rig.agent() as first, rig.agent() as second:
        for taker, other in ((first, second), (second, first), (first, second)):
            await taker.register()
            await other.notice()
            await rig.root.call("task_create_task", AGENT, PING)
            await taker.task()


async def test_a_result_may_come_over_another_connection(rig: Rig) -> None:
    async with rig.agent() as first:
        await rig.root.call("task_create_task", AGENT, PING)
        task = await first.task()
    async with rig.agent() as second:
        assert (await second.upload(second.response(task, {"ping": 1.0})))["result"] == {"id": task["task_id"]}


async def test_an_unregistered_agent_is_away_but_its_connection_stays(rig: Rig) -> None:
    async with rig.agent() as agent:
        number = (await agent.register())["result"]
        assert (await agent.ask("task_unregister_task", [number]))["result"] is True
        assert (await rig.root.refusal("task_create_task", AGENT, PING))["code"] == 104
        await agent.register()
        await rig.root.call("task_create_task", AGENT, PING)
        await agent.task()


async def test_a_connection_ends_its_own_subscriptions_only(rig: Rig) -> None:
    async with rig.agent() as agent, rig.agent(OTHER) as other:
        number = (await agent.register())["result"]
        assert (await other.ask("task_unregister_task", [number]))["result"] is False
        await rig.root.call("task_create_task", AGENT, PING)
        await agent.task()


async def test_one_connection_may_hold_several_agents(rig: Rig) -> None:
    async with rig.agent() as agent:
        await agent.ask("task_register_task", [agent.token, OTHER, {"client": "x", "batch": True}])
        await rig.root.call("task_create_batch", [new_task(), new_task(target_uuid=OTHER)])
        assert len(await agent.tasks(2)) == 2


async def test_a_stock_agent_hears_its_uuid_answer_first(rig: Rig) -> None:
    async with rig.peer() as peer:
        await peer.send('{"jsonrpc":"2.0","id":1,"method":"nodeget-server_uuid","params":[]}')
        assert await peer.frame() == {"jsonrpc": "2.0", "id": 1, "result": rig.server.uuid}


async def test_reports_of_a_stock_agent_are_taken_and_dropped(rig: Rig) -> None:
    async with rig.agent(stock=True) as agent:
        for method, name in (
            ("agent_report_dynamic_summary", "data"),
            ("agent_report_dynamic", "dynamic_monitoring_data"),
            ("agent_report_static", "static_monitoring_data"),
        ):
            for params in ([agent.token, {"uuid": AGENT}], {"token": agent.token, name: {"uuid": AGENT}}):
                assert (await agent.ask(method, params)).get("result") == {"status": "buffered"}, (method, params)


async def test_the_list_of_agents_tells_who_is_here(rig: Rig) -> None:
    async with rig.agent() as agent:
        await rig.root.call("task_create_batch", [new_task(agent_name="fra-1"), new_task(target_uuid=OTHER)])
        agents = {agent["uuid"]: agent for agent in await rig.root.call("agent_list")}
        here, away = agents[AGENT], agents[OTHER]
        assert (here["name"], here["uuid"], here["connected"], here["running"]) == ("fra-1", AGENT, True, 1)
        assert (here["version"], here["last_seen"], here["clock_skew"]) == ("cronprobe/0.1.0", None, None)
        assert (away["name"], away["uuid"], away["connected"], away["running"]) == (OTHER, OTHER, False, 0)
        task = await agent.task()
        await agent.upload(agent.response(task, {"ping": 1.0}, timestamp=5))
        agents = {agent["uuid"]: agent for agent in await rig.root.call("agent_list")}
    here = agents[AGENT]
    assert here["running"] == 0
    assert abs(here["last_seen"] + here["clock_skew"] - 0.005) < 0.001


async def test_binary_frames_are_calls_too_and_answered_as_text(rig: Rig) -> None:
    async with rig.peer() as peer:
        await peer.ws.send_bytes(b'{"jsonrpc":"2.0","id":1,"method":"nodeget-server_hello"}')
        assert (await peer.frame())["result"] == "NodeGet Server Is Running!"


async def test_a_frame_of_ten_mebibytes_closes_the_connection_with_1009(rig: Rig) -> None:
    """Written by hand: the header announces the frame, the server need not wait for the rest."""
    upgrade = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.server.port)
        writer.write((upgrade + key).encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        writer.write(b"\x81\xff" + (10 * 1024 * 1024 + 1).to_bytes(8) + bytes(4) + bytes(100))
        close, length = await reader.readexactly(2)
        reason = await reader.readexactly(length)
        writer.close()
        await writer.wait_closed()
    assert (close, int.from_bytes(reason[:2])) == (0x88, 1009)
    assert (await rig.root.page("/-/healthy"))[0] == 200


async def test_a_frame_that_is_just_small_enough_is_read(rig: Rig) -> None:
    async with rig.peer() as peer:
        await peer.send("[" + " " * (10 * 1024 * 1024 - 3) + "]")
        assert (await peer.frame())["error"]["code"] == -32600
