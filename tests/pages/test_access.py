"""Who sees which pages."""

import asyncio

import pytest

from tests.fakes import DEADLINE_S
from tests.pages.showcase import job
from tests.pages.visitor import open_visitor, run_once
from tests.server.rig import AGENT, OTHER, ROOT, OpenRig, Rig

READ = [{"crontab": "read"}, {"task": {"read": "*"}}]


async def token(rig: Rig, *permissions: object, scope: object = "global", **window: int) -> str:
    return await rig.root.make_token([{"scopes": [scope], "permissions": permissions}], **window)


async def test_without_a_session_a_page_says_who_the_server_is_and_no_more(rig: Rig) -> None:
    await rig.root.call("job_declare", [job("secret-job")])
    async with open_visitor(rig, None) as visitor:
        for path in ("/", "/nodeget/rpc"):
            page = await visitor.page(path)
            assert rig.server.uuid in page
            assert "0.1.0" in page
            assert "secret-job" not in page
        for path in ("/jobs/secret-job", "/agents", "/gaps", "/-/latency?job=secret-job"):
            status, page = await visitor.get(path)
            assert status == 401
            assert "2 ms" not in page


async def test_a_session_is_a_cookie_that_holds_no_secret(rig: Rig) -> None:
    async with open_visitor(rig, None) as visitor:
        form = {"credential": ROOT, "back": "/agents"}
        async with visitor.http.post(rig.url + "/-/login", data=form, allow_redirects=False) as response:
            assert (response.status, response.headers["location"]) == (303, "/agents")
            cookie = response.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert "Secure" not in cookie
        for part in ROOT.split(":"):
            assert part not in cookie
        async with visitor.http.post(
            rig.url + "/-/login", data=form, allow_redirects=False, headers={"x-forwarded-proto": "https"}
        ) as response:
            assert "Secure" in response.headers["set-cookie"]


@pytest.mark.parametrize("credential", ["", "nonsense", "rootkey:wrong", "nobody|secret"])
async def test_a_wrong_credential_opens_nothing(rig: Rig, credential: str) -> None:
    async with open_visitor(rig, None) as visitor:
        assert (await visitor.log_in(credential))[0] == 403
        assert visitor.cookie("cronprobe_session") is None


async def test_wrong_credentials_are_slowed_down(open_rig: OpenRig) -> None:
    async with open_rig(rejection_delay_s=0.1) as rig, open_visitor(rig, None) as visitor:
        clock = asyncio.get_running_loop().time
        start = clock()
        for _ in range(3):
            assert (await visitor.log_in("rootkey:wrong"))[0] == 403
        assert clock() - start > 0.7
        assert (await visitor.log_in())[0] == 200


async def test_wrong_credentials_that_wait_take_no_room_from_others(open_rig: OpenRig) -> None:
    async with (
        open_rig(rejection_delay_s=30, max_connections=1) as rig,
        open_visitor(rig, None) as visitor,
        open_visitor(rig, None) as other,
        asyncio.timeout(20),
        asyncio.TaskGroup() as group,
    ):
        many = [group.create_task(who.log_in("rootkey:wrong")) for who in (visitor, other) for _ in range(60)]
        done = set()
        while len(done) < 20:
            done, waiting = await asyncio.wait(many, timeout=0.1, return_when=asyncio.FIRST_COMPLETED)
        assert {task.result()[0] for task in done} == {429}
        assert await rig.root.call("nodeget-server_hello")
        for task in waiting:
            task.cancel()


async def test_a_form_of_another_site_does_nothing(rig: Rig) -> None:
    async with open_visitor(rig, None) as visitor:
        for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
            form = {"credential": ROOT}
            async with visitor.http.post(rig.url + "/-/login", data=form, headers=headers) as response:
                assert response.status == 403
        assert visitor.cookie("cronprobe_session") is None


async def test_a_session_ends_with_its_logout_and_with_its_token(rig: Rig) -> None:
    await rig.root.call("job_declare", [job("job")])
    reader = await token(rig, *READ)
    async with open_visitor(rig, reader) as visitor:
        assert "job" in await visitor.page("/jobs/job")
        kept = visitor.cookie("cronprobe_session")
        await visitor.http.post(rig.url + "/-/logout", data={"x": "y"})
        assert (await visitor.get("/jobs/job"))[0] == 401
        assert (await visitor.get("/jobs/job", cookie=f"cronprobe_session={kept}"))[0] == 401
        await visitor.log_in(reader)
        await rig.root.call("token_delete", reader.partition(":")[0])
        assert (await visitor.get("/jobs/job"))[0] == 401


async def test_a_token_outside_its_time_opens_nothing(rig: Rig) -> None:
    for window in ({"timestamp_to": 1_000}, {"timestamp_from": 4_000_000_000_000}):
        late = await token(rig, *READ, **window)
        async with open_visitor(rig, None) as visitor:
            assert (await visitor.log_in(late))[0] == 403


async def test_a_name_and_password_open_a_session(rig: Rig) -> None:
    creation = {
        "token_limit": [{"scopes": ["global"], "permissions": READ}],
        "username": "ann",
        "password": "long-enough",
    }
    await rig.root.call("token_create", creation)
    async with open_visitor(rig, "ann|long-enough") as visitor:
        await visitor.page("/")


async def test_a_narrow_token_sees_its_agents_jobs_and_their_rows_only(rig: Rig) -> None:
    both = [{"uuid": AGENT, "name": "fra-1"}, {"uuid": OTHER, "name": "nyc-1"}]
    other = job("other-job", agents=both[1:])
    await rig.root.call("job_declare", [job("shared", agents=both), other])
    async with rig.agent() as agent, rig.agent(OTHER) as away:
        await run_once(rig, agent, "shared")
        await run_once(rig, away, "shared", success=False, error_message="told-to-few")
        narrow = await token(rig, *READ, scope={"agent_uuid": AGENT})
        async with open_visitor(rig, narrow) as visitor:
            home, page = await visitor.page("/"), await visitor.page("/jobs/shared")
            assert "other-job" not in home
            assert 'data-state="ok"' in home
            assert "told-to-few" not in page
            assert page.count('<th scope="row"><time') == 1
            assert "nyc-1" not in await visitor.page("/-/latency?job=shared")
            assert (await visitor.get("/jobs/other-job"))[0] == 404
            assert "may not list agents" in await visitor.page("/agents")


async def test_jobs_without_the_right_to_rows_are_names_only(rig: Rig) -> None:
    await rig.root.call("job_declare", [job("job")])
    async with rig.agent() as agent:
        await run_once(rig, agent, success=False, error_message="told-to-few")
    async with open_visitor(rig, await token(rig, {"crontab": "read"})) as visitor:
        assert "may not read its results" in await visitor.page("/")
        page = await visitor.page("/jobs/job")
        assert "told-to-few" not in page
        assert "failing" not in page


async def test_a_token_that_may_read_no_job_is_refused(rig: Rig) -> None:
    async with open_visitor(rig, None) as visitor:
        assert (await visitor.log_in(await token(rig, {"task": {"read": "*"}})))[0] == 403


async def test_a_public_page_hides_targets_messages_and_uuids(open_rig: OpenRig) -> None:
    cells = [{"name": f"host-{n}.example", "type": "ping", "target": f"host-{n}.example"} for n in (1, 2)]
    definition = {"description": "about host-1.example"}
    hidden = ("host-1", "host.example", "told-to-few", AGENT, OTHER, "payments", "*/7")
    async with open_rig(public_page=True) as rig, rig.agent() as agent, open_visitor(rig, None) as visitor:
        agents = [{"uuid": AGENT, "name": "fra-1"}, {"uuid": OTHER, "name": None}]
        declared = job("job", agents=agents, labels={"team": "payments"}, schedule="*/7 * * * *")
        await rig.root.call("job_declare", [{**declared, "cells": cells, "definition": definition}, job("plain")])
        await run_once(rig, agent, "plain", success=False, error_message="told-to-few host.example")
        pages = [await visitor.page(path) for path in ("/", "/jobs/job", "/jobs/plain", "/-/latency?job=job")]
        assert 'data-state="failing"' in pages[0]
        assert "fra-1" in pages[1]
        assert "Target 1" in pages[1]
        assert "Agent 2" in pages[1]
        assert "probe failed" in pages[2]
        for page in pages:
            assert not [text for text in hidden if text in page]
        assert (await visitor.get("/?q=payments"))[1].count("data-state") == 0
        for path in ("/agents", "/gaps"):
            assert (await visitor.get(path))[0] == 401
        await visitor.log_in()
        assert "told-to-few" in await visitor.page("/jobs/plain")


async def test_a_page_is_kept_up_to_date_for_its_own_browser_only(rig: Rig) -> None:
    async with open_visitor(rig) as visitor, open_visitor(rig, None) as stranger:
        for who, headers in (
            (stranger, {"origin": rig.url}),
            (visitor, {"origin": "https://evil.example"}),
            (visitor, {"origin": "null"}),
            (visitor, {}),
        ):
            upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
            async with who.http.get(
                rig.url + "/-/live?path=/", headers={**upgrade, "sec-websocket-key": "x" * 22 + "==", **headers}
            ) as response:
                assert response.status == 403


@pytest.mark.parametrize("end", ["logout", "token_delete", "token_edit"])
async def test_an_open_page_ends_with_its_session(rig: Rig, end: str) -> None:
    reader = await token(rig, *READ)
    async with open_visitor(rig, reader) as visitor, visitor.live() as ws:
        key = reader.partition(":")[0]
        if end == "logout":
            await visitor.http.post(rig.url + "/-/logout", data={"x": "y"})
            await rig.root.call("job_declare", [job("job")])  # whatever happens next
        elif end == "token_delete":
            await rig.root.call(end, key)
        else:
            await rig.root.call(end, key, [{"scopes": ["global"], "permissions": [{"task": "listen"}]}])
        async with asyncio.timeout(DEADLINE_S):
            async for _ in ws:
                pass
        assert ws.close_code == 1008
