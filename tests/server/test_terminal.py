"""The relay of web shells, between an agent's end and a user's, both hand-written."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import WSMsgType

from tests.server.rig import AGENT, OTHER, OpenRig, Rig

TERMINAL = str(uuid4())
CONNECT = [{"scopes": [{"agent_uuid": AGENT}], "permissions": [{"terminal": "connect"}]}]
WEB_SHELL = {"web_shell": {"url": "ws://host.example/auto_gen", "terminal_id": TERMINAL}}
LIMIT_S = 5


async def web_shell(rig: Rig, task: object = WEB_SHELL) -> dict[str, str]:
    """A task that runs on a connected agent: what its end of the terminal says of itself."""
    async with rig.agent() as agent:
        await rig.root.call("task_create_task", AGENT, task)
        event = await agent.task()
    identity = {"task_id": str(event["task_id"]), "task_token": event["task_token"]}
    return {"agent_uuid": AGENT, "terminal_id": TERMINAL, **identity}


def users(rig: Rig, **changes: str) -> dict[str, str]:
    return {"agent_uuid": AGENT, "terminal_id": TERMINAL, "token": rig.root.token, **changes}


def end(rig: Rig, query: dict[str, str]) -> Any:
    return rig.http.ws_connect(f"{rig.url}/terminal", params=query, max_msg_size=0, autoping=False)


@asynccontextmanager
async def both(rig: Rig) -> AsyncIterator[tuple[Any, Any]]:
    """An agent's end, and a user's attached to it."""
    async with end(rig, await web_shell(rig)) as agent, end(rig, users(rig)) as user:
        await user.send_str("hello")
        assert (await agent.receive(timeout=LIMIT_S)).data == "hello"
        yield agent, user


async def refusal(rig: Rig, query: dict[str, str]) -> tuple[int, str]:
    async with end(rig, query) as ws:
        message = await ws.receive(timeout=LIMIT_S)
        assert message.type is WSMsgType.TEXT, message
        assert (await ws.receive(timeout=LIMIT_S)).type is WSMsgType.CLOSE
    said = json.loads(message.data)
    assert list(said) == ["error_id", "error_message"]
    return said["error_id"], said["error_message"]


def without(query: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in query.items() if key != name}


async def test_an_agents_end_is_checked_against_its_task(rig: Rig) -> None:
    good = await web_shell(rig)
    invalid = (102, "Permission Denied: Invalid Task Token or ID")
    missing = (108, "Invalid Input: Missing terminal_id for agent terminal connection")
    assert await refusal(rig, without(good, "terminal_id")) == missing
    wrong: list[dict[str, str]] = [
        {"task_token": "wrong"},
        {"task_id": "99"},
        {"task_id": "-1"},
        {"task_id": "9" * 400},
        {"task_id": "٣"},
        {"agent_uuid": OTHER},
        {"agent_uuid": "nobody"},
        {"terminal_id": str(uuid4())},
    ]
    for change in wrong:
        assert await refusal(rig, {**good, **change}) == invalid, change
    other = await web_shell(rig, {"ping": "host.example"})
    text = "Permission denied: Terminal connection is only allowed for WebShell tasks"
    assert await refusal(rig, other) == (102, text)
    async with end(rig, good):
        text = f"Invalid Input: terminal_id '{TERMINAL}' is already active for this agent"
        assert await refusal(rig, good) == (108, text)


async def test_a_task_that_has_ended_opens_no_terminal(rig: Rig) -> None:
    async with rig.agent() as agent:
        await rig.root.call("task_create_task", AGENT, WEB_SHELL)
        event = await agent.task()
        await agent.upload(agent.response(event, {"web_shell": True}))
    query = {"agent_uuid": AGENT, "terminal_id": TERMINAL, "task_id": str(event["task_id"])}
    assert (await refusal(rig, {**query, "task_token": event["task_token"]}))[0] == 102


async def test_a_user_is_checked(rig: Rig) -> None:
    good = users(rig)
    denied = (102, "Permission Denied: Terminal connection permission denied")
    text = "Invalid Input: Missing {} for user terminal connection"
    assert await refusal(rig, without(good, "terminal_id")) == (108, text.format("terminal_id"))
    assert await refusal(rig, without(good, "token")) == (108, text.format("token"))
    assert await refusal(rig, good) == (108, "Terminal session not found")
    reader = await rig.root.make_token([{"scopes": ["global"], "permissions": [{"task": {"read": "*"}}]}])
    expired = await rig.root.make_token(CONNECT, timestamp_to=1)
    elsewhere = await rig.root.make_token([{**CONNECT[0], "scopes": [{"agent_uuid": OTHER}]}])
    for token in ("no:body", "nonsense", reader, expired, elsewhere):
        assert await refusal(rig, {**good, "token": token}) == denied
    async with end(rig, await web_shell(rig)) as agent:
        mine = {**good, "token": await rig.root.make_token(CONNECT), "terminal_id": TERMINAL.upper()}
        async with end(rig, mine) as user:
            await user.send_str("x")
            assert (await agent.receive(timeout=LIMIT_S)).data == "x"
            assert await refusal(rig, good) == (108, "Terminal session already has an attached user")


async def test_every_frame_passes_unchanged_both_ways(rig: Rig) -> None:
    async with both(rig) as (agent, user):
        for here, there in ((agent, user), (user, agent)):
            await here.send_str("täxt")
            await here.send_bytes(b"\x00\xff")
            await here.send_bytes(b"")
            await here.ping(b"ping")
            await here.pong(b"pong")
            heard = [await there.receive(timeout=LIMIT_S) for _ in range(5)]
            data = [message.data if message.type is WSMsgType.TEXT else bytes(message.data) for message in heard]
            assert list(zip([message.type for message in heard], data, strict=True)) == [
                (WSMsgType.TEXT, "täxt"),
                (WSMsgType.BINARY, b"\x00\xff"),
                (WSMsgType.BINARY, b""),
                (WSMsgType.PING, b"ping"),
                (WSMsgType.PONG, b"pong"),
            ]


async def test_what_an_agent_says_before_a_user_is_there_waits_in_order(rig: Rig) -> None:
    async with end(rig, await web_shell(rig)) as agent:
        for number in range(1_000):
            await agent.send_str(str(number))
        await agent.ping(b"here?")
        pong = await agent.receive(timeout=LIMIT_S)
        assert (pong.type, bytes(pong.data)) == (WSMsgType.PONG, b"here?")
        async with end(rig, users(rig)) as user:
            heard = [(await user.receive(timeout=LIMIT_S)).data for _ in range(1_000)]
        assert heard == list(map(str, range(1_000)))


async def test_ten_megabytes_pass_while_the_user_reads_late(rig: Rig) -> None:
    block = bytes(range(256)) * 256
    async with both(rig) as (agent, user):
        sending = asyncio.create_task(_send_blocks(agent, block, 160))
        await asyncio.sleep(0.3)
        heard = bytearray()
        while len(heard) < 160 * len(block):
            heard += (await user.receive(timeout=LIMIT_S)).data
        await sending
        assert heard == block * 160


async def test_an_agent_that_is_not_read_from_waits(rig: Rig) -> None:
    """More than the relay, and the sockets on the way, can hold."""
    block = b"x" * 65_536
    async with end(rig, await web_shell(rig)) as agent:
        sending = asyncio.create_task(_send_blocks(agent, block, 1_000))
        done, _ = await asyncio.wait([sending], timeout=1)
        assert not done
        sending.cancel()
        agent._response.connection.transport.abort()


async def _send_blocks(ws: aiohttp.ClientWebSocketResponse, block: bytes, count: int) -> None:
    for _ in range(count):
        await ws.send_bytes(block)


@pytest.mark.parametrize(("code", "passed"), [(1000, 1000), (1001, 1001), (4321, 4321)])
async def test_when_one_side_leaves_the_other_one_is_closed(rig: Rig, code: int, passed: int) -> None:
    async with both(rig) as (agent, user):
        await agent.send_str("last words")
        await agent.close(code=code)
        assert (await user.receive(timeout=LIMIT_S)).data == "last words"
        closed = await user.receive(timeout=LIMIT_S)
        assert (closed.type, closed.data) == (WSMsgType.CLOSE, passed)
    async with both(rig) as (agent, user):
        await user.close(code=code)
        closed = await agent.receive(timeout=LIMIT_S)
        assert (closed.type, closed.data) == (WSMsgType.CLOSE, passed)


async def test_a_connection_that_breaks_closes_the_other_one(rig: Rig) -> None:
    async with both(rig) as (agent, user):
        agent._response.connection.transport.abort()
        assert (await user.receive(timeout=LIMIT_S)).type is WSMsgType.CLOSE


async def test_a_terminal_that_was_left_is_free_again(rig: Rig) -> None:
    good = await web_shell(rig)
    async with end(rig, good):
        pass
    async with asyncio.timeout(LIMIT_S):
        while True:
            async with end(rig, good) as agent:
                await agent.send_str("x")
                async with end(rig, users(rig)) as user:
                    if (await user.receive()).data == "x":
                        break


async def test_a_revoked_token_ends_the_users_terminal(rig: Rig) -> None:
    token = await rig.root.make_token(CONNECT)
    async with end(rig, await web_shell(rig)) as agent, end(rig, users(rig, token=token)) as user:
        await user.send_str("x")
        await agent.receive(timeout=LIMIT_S)
        await rig.root.call("token_delete", token.partition(":")[0])
        closed = await user.receive(timeout=LIMIT_S)
        assert (closed.type, closed.data) == (WSMsgType.CLOSE, 1008)
        await user.close()
        assert (await agent.receive(timeout=LIMIT_S)).type is WSMsgType.CLOSE


async def test_a_message_that_is_too_large_closes_the_terminal(rig: Rig) -> None:
    async with both(rig) as (agent, user):
        with suppress(ConnectionError):
            await user.send_bytes(b"x" * (4 * 1024 * 1024 + 1))
        assert (await agent.receive(timeout=LIMIT_S)).type is WSMsgType.CLOSE


async def test_a_server_that_stops_closes_both_sides(open_rig: OpenRig) -> None:
    async with open_rig() as rig:
        query = await web_shell(rig)
        agent, user = await end(rig, query), await end(rig, users(rig))
        await user.send_str("x")
        await agent.receive(timeout=LIMIT_S)
        hearing = asyncio.gather(agent.receive(), user.receive())
    assert {message.type for message in await asyncio.wait_for(hearing, LIMIT_S)} <= {WSMsgType.CLOSE, WSMsgType.CLOSED}


async def test_terminals_are_for_websockets(rig: Rig) -> None:
    assert (await rig.root.page("/terminal"))[0] == 405
