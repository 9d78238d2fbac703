"""A stock file loads unchanged, a wrong one says where and what, and nothing is allowed by default."""

from pathlib import Path
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from agent.config import ServerConfig, load
from agent.permissions import SWITCHES, permitted_types
from protocol.errors import ConfigError
from protocol.tasks import TASK_TYPES

STOCK = """
log_level = "info"
agent_uuid = "E8583352-39E8-5A5B-B66C-E450689088FD"
connect_timeout_ms = 2000
exec_max_character = 10000
terminal_shell = "bash"
ip_provider = "ipinfo"
ntp_server = "pool.ntp.org"
dynamic_report_interval_ms = 1000
dynamic_summary_report_interval_ms = 1000
static_report_interval_ms = 300000
dynamic_summary_select_disk = ["/"]
dynamic_summary_select_network_interface = ["eth0"]

[[server]]
name = "home"
server_uuid = "5F0C2F4E-4F43-4B0E-9D6A-2A4A7C9D1B10"
token = "key:secret"
ws_url = "wss://srv.example/"
allow_task = true
allow_icmp_ping = true
allow_task_type = []
"""
SERVER = """
[[server]]
name = "home"
server_uuid = "5f0c2f4e-4f43-4b0e-9d6a-2a4a7c9d1b10"
token = "key:secret"
ws_url = "ws://srv.example/"
"""
AGENT = 'agent_uuid = "e8583352-39e8-5a5b-b66c-e450689088fd"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "agent.toml"
    path.write_text(text)
    return path


def test_a_stock_file_loads_without_a_word(tmp_path: Path) -> None:
    with capture_logs() as logs:
        config = load(written(tmp_path, STOCK))
    assert not logs
    assert config.agent_uuid == "e8583352-39e8-5a5b-b66c-e450689088fd"
    assert config.connect_timeout_ms == 2000
    assert config.servers == (
        ServerConfig(
            name="home",
            server_uuid="5f0c2f4e-4f43-4b0e-9d6a-2a4a7c9d1b10",
            token="key:secret",
            ws_url="wss://srv.example/",
            allow_task=True,
            allow_icmp_ping=True,
        ),
    )


def test_our_own_keys_have_defaults(tmp_path: Path) -> None:
    config = load(written(tmp_path, AGENT + SERVER))
    assert (config.network_seats, config.spool_size, config.labels) == (256, 10_000, {})
    config = load(written(tmp_path, f'network_seats = 3\nspool_size = 4\nlabels = {{region = "eu"}}\n{AGENT}{SERVER}'))
    assert (config.network_seats, config.spool_size, config.labels) == (3, 4, {"region": "eu"})


def test_unknown_keys_are_warnings(tmp_path: Path) -> None:
    path = written(tmp_path, f'zeal = 1\n{AGENT}{SERVER}colour = "red"\nallow_task_type = ["pong"]\n')
    with capture_logs() as logs:
        load(path)
    assert [(line["log_level"], line["event"], line["key"]) for line in logs] == [
        ("warning", "unknown key", "server[0].colour"),
        ("warning", "unknown task type", "server[0].allow_task_type"),
        ("warning", "unknown key", "zeal"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("log_level = ", ":1: Invalid value; correct the TOML"),
        (f"{AGENT}x", ":2: Expected '=' after a key in a key/value pair; correct the TOML"),
        (AGENT, ": server: found no server; add a [[server]] table"),
        (AGENT + "server = 1", ": server: found no server; add a [[server]] table"),
        (SERVER, ": agent_uuid: found nothing; want a string that is not empty"),
        (f'agent_uuid = "me"{SERVER}', ": agent_uuid: found 'me'; want a UUID"),
        (
            f"connect_timeout_ms = 0\n{AGENT}{SERVER}",
            ": connect_timeout_ms: found 0; want a whole number of milliseconds, 1 or more",
        ),
        (f'network_seats = "many"\n{AGENT}{SERVER}', ': network_seats: found "many"; want a whole number, 1 or more'),
        (f"spool_size = true\n{AGENT}{SERVER}", ": spool_size: found true; want a whole number, 1 or more"),
        (f"labels = {{region = 1}}\n{AGENT}{SERVER}", ": labels: found a table; want a table of strings"),
        (f'{AGENT}{SERVER}allow_task = "yes"', ': server[0].allow_task: found "yes"; want true or false'),
        (
            f'{AGENT}{SERVER}allow_task_type = "ping"',
            ': server[0].allow_task_type: found "ping"; want an array of task type names',
        ),
        (
            AGENT + SERVER.replace('"5f0c2f4e-4f43-4b0e-9d6a-2a4a7c9d1b10"', '""'),
            ': server[0].server_uuid: found ""; want a string that is not empty',
        ),
        (
            AGENT + SERVER.replace("5f0c2f4e-", ""),
            ": server[0].server_uuid: found '4f43-4b0e-9d6a-2a4a7c9d1b10'; want a UUID",
        ),
        (
            AGENT + SERVER.replace("ws:", "http:"),
            ": server[0].ws_url: found 'http://srv.example/'; want a URL with ws:// or wss://",
        ),
        (
            AGENT + SERVER.replace('"key:secret"', "5"),
            ": server[0].token: found an integer; want a string that is not empty",
        ),
    ],
)
def test_a_wrong_file_says_where_and_what(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value) == f"{path}{message}"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value) == f"{path}: cannot be read: No such file or directory; name a readable file"


def test_a_generated_uuid_is_kept(tmp_path: Path) -> None:
    path = written(tmp_path, f'agent_uuid = "auto_gen"\n{SERVER}')
    first = load(path).agent_uuid
    assert str(UUID(first)) == first
    assert (tmp_path / "agent.uuid").read_text() == f"{first}\n"
    assert load(path).agent_uuid == first


def test_a_spoilt_generated_uuid_is_named(tmp_path: Path) -> None:
    (tmp_path / "agent.uuid").write_text("")
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, f'agent_uuid = "auto_gen"\n{SERVER}'))
    assert str(caught.value) == f"{tmp_path / 'agent.uuid'}: found ''; want a UUID"


def server_with(**switches: object) -> ServerConfig:
    return ServerConfig(name="home", server_uuid="", token="", ws_url="", **switches)


def test_nothing_is_allowed_by_default() -> None:
    assert permitted_types(server_with(allow_task=True)) == frozenset()


@pytest.mark.parametrize(("name", "switch"), SWITCHES.items())
def test_a_switch_allows_its_type_alone(name: str, switch: str) -> None:
    assert permitted_types(server_with(allow_task=True, **{switch: True})) == {name}


def test_every_task_type_has_a_switch() -> None:
    assert set(SWITCHES) == set(TASK_TYPES)


def test_a_list_of_types_replaces_the_switches() -> None:
    server = server_with(allow_task=True, allow_execute=True, allow_task_type=("ping",))
    assert permitted_types(server) == {"ping"}


def test_allow_task_stands_above_all() -> None:
    assert permitted_types(server_with(allow_icmp_ping=True, allow_task_type=("ping",))) == frozenset()
