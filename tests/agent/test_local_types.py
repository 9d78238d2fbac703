"""The types that look at the agent itself: its configuration, its version, its addresses."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from agent.probes.interface import Ending, Failed, Found
from protocol.outcomes import Reason
from protocol.tasks.version import Version
from tests.agent.probing import probes_of, work
from tests.agent.scripted_server import AGENT_UUID, SERVER_UUID, ScriptedServer, task
from tests.agent.targets import open_target, reply
from tests.processes import run

GOOD = f'''# mine
agent_uuid = "{AGENT_UUID}"
[[server]]
name = "home"
server_uuid = "{SERVER_UUID}"
token = "key:secret"
ws_url = "ws://127.0.0.1:1/"
'''


async def probe(name: str, payload: object = None, file: Path | None = None, **settings: object) -> Ending:
    async with probes_of(file, **settings) as probes:
        return await probes[name].run(work(name, payload))


async def test_the_configuration_is_read_verbatim(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_bytes(GOOD.replace("\n", "\r\n").encode())
    assert await probe("read_config", file=file) == Found(GOOD.replace("\n", "\r\n"))


@pytest.mark.parametrize("content", [None, b"\xff"])
async def test_a_configuration_that_cannot_be_read_says_why(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "agent.toml"
    if content is not None:
        file.write_bytes(content)
    for ending in (await probe("read_config", file=file), await probe("read_config", file=None)):
        assert isinstance(ending, Failed)
        assert ending.message.startswith("Other error: Failed to read config file: ")


async def test_a_good_configuration_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    file, link = tmp_path / "agent.toml", tmp_path / "link.toml"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file)
    edited: list[bool] = []
    async with probes_of(link, lambda: edited.append(True)) as probes:
        assert await probes["edit_config"].run(work("edit_config", GOOD)) == Found(True)
    assert (edited, file.read_text(), file.stat().st_mode & 0o777) == ([True], GOOD, 0o640)
    assert link.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["agent.toml", "link.toml"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a = ", "config:1: Invalid value; correct the TOML"),
        (GOOD.replace(AGENT_UUID, "auto_gen"), "config: agent_uuid: found 'auto_gen'; want a UUID"),
        (GOOD.replace(AGENT_UUID, "me"), "config: agent_uuid: found 'me'; want a UUID"),
        (f'agent_uuid = "{AGENT_UUID}"', "config: server: found no server; add a [[server]] table"),
        (
            GOOD.replace("ws:", "http:"),
            "config: server[0].ws_url: found 'http://127.0.0.1:1/'; want a URL with ws:// or wss://",
        ),
    ],
)
async def test_a_configuration_that_no_agent_could_start_with_changes_nothing(
    tmp_path: Path, text: str, why: str
) -> None:
    file = tmp_path / "agent.toml"
    file.write_text("old")
    edited: list[bool] = []
    async with probes_of(file, lambda: edited.append(True)) as probes:
        ending = await probes["edit_config"].run(work("edit_config", text))
    assert ending == Failed(Reason.PROBE_ERROR, f"Other error: Config parse error: {why}")
    assert (file.read_text(), edited) == ("old", [])


async def test_a_configuration_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    for file in (None, tmp_path / "nowhere" / "agent.toml"):
        ending = await probe("edit_config", GOOD, file=file)
        assert isinstance(ending, Failed)
        assert ending.message.startswith("Other error: Failed to write config file: ")


async def test_an_edited_agent_uploads_the_result_and_starts_anew(server: ScriptedServer, tmp_path: Path) -> None:
    """It comes back with the new file, in the same process, and keeps what was not acknowledged."""
    text = GOOD.replace("ws://127.0.0.1:1/", server.url) + "allow_task = true\nallow_edit_config = true\n"
    file = tmp_path / "agent.toml"
    file.write_text(text)
    async with run("agent", "-c", file, directory=tmp_path) as agent:
        first = await server.session()
        assert "labels" not in str(first.registration) or first.registration["params"][2]["labels"] == {}
        new = "labels = {region = 'eu'}\n" + text + "allow_version = true\n"
        server.acknowledges = False
        (edited,) = await first.run(task(1, {"edit_config": new}))
        assert (edited["success"], edited["task_event_result"]) == (True, {"edit_config": True})
        second = await server.session()
        assert second.registration["params"][2]["labels"] == {"region": "eu"}
        assert (await second.uploads(1))[0]["task_id"] == 1
        server.acknowledges = True
        (version,) = await second.run(task(2, "version"))
        assert version["success"]
        await agent.stop()


async def test_a_broken_file_does_not_stop_an_agent_that_was_edited(server: ScriptedServer, tmp_path: Path) -> None:
    text = GOOD.replace("ws://127.0.0.1:1/", server.url) + "allow_task = true\nallow_edit_config = true\n"
    file = tmp_path / "agent.toml"
    file.write_text(text)
    async with run("agent", "-c", file, directory=tmp_path) as agent:
        session = await server.session()
        await session.run(task(1, {"edit_config": text}))
        file.write_text("broken")
        again = await server.session()
        await again.run(task(2, {"edit_config": text}))
        await agent.says("goes on with the configuration it had")
        await agent.stop()


async def test_the_version_is_thirteen_strings() -> None:
    ending = await probe("version")
    assert isinstance(ending, Found)
    assert isinstance(ending.payload, Version)
    assert (ending.payload.binary_type, ending.payload.cargo_version) == ("Agent", "0.1.0")
    assert len(ending.payload.__struct_fields__) == 13


async def test_an_update_is_not_done_and_the_log_says_who_does_it() -> None:
    with capture_logs() as logs:
        assert await probe("self_update", "v9.9.9") == Found(False)
    assert [(line["tag"], "what installed it" in line["event"]) for line in logs] == [("v9.9.9", True)]


@asynccontextmanager
async def providers(v4: bytes, v6: bytes) -> AsyncIterator[dict[str, str]]:
    """Two providers of addresses on loopback, one a family."""
    async with open_target(v4) as four, open_target(v6, host="::1") as six:
        yield {"ip_v4_url": four.url(), "ip_v6_url": six.url()}


TRACE = "fl=1\nip={}\nts=2\n"


@pytest.mark.parametrize("form", [TRACE, '{{"ip":"{}","city":"x"}}'])
async def test_the_addresses_are_what_the_providers_say(form: str) -> None:
    bodies = [reply(form.format(ip).encode()) for ip in ("192.0.2.10", "2001:DB8:0::1")]
    async with providers(*bodies) as urls:
        ending = await probe("ip", **urls)
    assert ending == Found(("192.0.2.10", "2001:db8::1"))


async def test_what_is_not_to_be_had_is_null() -> None:
    async with providers(reply(TRACE.format("2001:db8::1").encode()), reply(b"\xff\xfe nonsense")) as urls:
        assert await probe("ip", **urls) == Found((None, None))
        wrong_family = {"ip_v4_url": urls["ip_v6_url"], "ip_v6_url": "http://127.0.0.1:1/"}
        assert await probe("ip", **wrong_family) == Found((None, None))
