"""Measuring options as they travel: what is taken, what is refused and in which words, what the schema says."""

import json
from typing import Any

import jsonschema
import pytest

from protocol.errors import Unreadable
from protocol.events import read_event
from protocol.options import LARGEST_BODY, Options
from protocol.schemas import resolve
from protocol.tasks import OPTIONS_SCHEMA, TASK_TYPES, read_options
from protocol.tasks.http_ping import HttpPingOptions
from protocol.tasks.http_request import HttpRequestOptions
from protocol.tasks.ping import PingOptions
from protocol.tasks.tcp_ping import TcpPingOptions


def read(task_name: str, options: Any) -> Options | None:
    return read_options(task_name, json.dumps(options).encode())


@pytest.mark.parametrize(
    ("task_name", "options"),
    [
        ("ping", PingOptions(count=1, interval_ms=200, size=56, family=None, ttl=None, dont_fragment=False)),
        ("tcp_ping", TcpPingOptions(family=None, tls=False)),
        ("http_ping", HttpPingOptions(follow_redirects=False, verify_tls=True, max_body=LARGEST_BODY)),
        ("http_request", HttpRequestOptions(follow_redirects=True, verify_tls=True, max_body=LARGEST_BODY)),
    ],
)
def test_what_is_left_out_has_its_default(task_name: str, options: Options) -> None:
    assert read(task_name, {}) == options
    assert read(task_name, None) is None


def test_the_ends_of_every_range_are_taken() -> None:
    least = {"count": 1, "interval_ms": 10, "size": 0, "ttl": 1, "family": 4}
    most = {"count": 100, "interval_ms": 60_000, "size": 65_000, "ttl": 255, "family": 6, "dont_fragment": True}
    assert read("ping", least) == PingOptions(count=1, interval_ms=10, size=0, ttl=1, family=4)
    assert read("ping", most) == PingOptions(
        count=100, interval_ms=60_000, size=65_000, ttl=255, family=6, dont_fragment=True
    )


@pytest.mark.parametrize(
    ("task_name", "options", "text"),
    [
        ("ping", {"count": 0}, "options.count: found 0; want 1 to 100 echoes"),
        ("ping", {"count": 101}, "options.count: found 101; want 1 to 100 echoes"),
        ("ping", {"count": True}, "options.count: found true; want 1 to 100 echoes"),
        ("ping", {"count": None}, "options.count: found null; want 1 to 100 echoes"),
        ("ping", {"interval_ms": 9}, "options.interval_ms: found 9; want 10 to 60000 ms"),
        ("ping", {"interval_ms": "200ms"}, 'options.interval_ms: found "200ms"; want 10 to 60000 ms'),
        ("ping", {"size": 65_001}, "options.size: found 65001; want 0 to 65000 bytes"),
        ("ping", {"ttl": 256}, "options.ttl: found 256; want 1 to 255, or null for the system's"),
        ("ping", {"family": 5}, "options.family: found 5; want 4, 6, or null for either"),
        ("ping", {"dont_fragment": 1}, "options.dont_fragment: found 1; want true or false"),
        (
            "ping",
            {"tls": True},
            "options.tls: unknown option; want one of count, interval_ms, size, family, ttl, dont_fragment",
        ),
        ("tcp_ping", {"family": "4"}, 'options.family: found "4"; want 4, 6, or null for either'),
        (
            "http_request",
            {"max_body": LARGEST_BODY + 1},
            "options.max_body: found 67108865; want 1 to 67108864 bytes",
        ),
        (
            "http_ping",
            {"http_version": "2"},
            'options.http_version: found "2"; want "1.0", "1.1", or null for "1.1"; no other can be spoken',
        ),
        (
            "http_ping",
            {"server_name": "a b"},
            'options.server_name: found "a b"; want a host name, or null for the URL\'s',
        ),
        (
            "http_request",
            {"proxy": "socks5://me:secret@proxy"},
            "options.proxy: found something else; want http://host:port, or null for none",
        ),
        ("ping", {"family": "x" * 100}, f'options.family: found "{"x" * 39}…; want 4, 6, or null for either'),
        ("ping", [3], "options: Expected `object`, got `array`"),
        ("execute", {"count": 3}, "options: execute takes none; remove them"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(task_name: str, options: Any, text: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(task_name, options)
    assert str(caught.value) == text


@pytest.mark.parametrize("name", ["a\n", "", ".a", "a..b", "a" * 64, "a/b", "[::1]"])
def test_a_server_name_is_a_host_name(name: str) -> None:
    with pytest.raises(Unreadable):
        read("http_ping", {"server_name": name})


@pytest.mark.parametrize("proxy", ["http://p", "http://p:3128/", "http://u:p@10.0.0.1:1", "http://[::1]:3128"])
def test_a_proxy_is_an_http_url(proxy: str) -> None:
    assert read("http_ping", {"proxy": proxy}) == HttpPingOptions(proxy=proxy)


@pytest.mark.parametrize(
    "proxy", ["p:3128", "https://p", "http://", "http://p/x", "http://p\n", "http://p:x", "http:p"]
)
def test_another_url_is_no_proxy(proxy: str) -> None:
    with pytest.raises(Unreadable):
        read("http_ping", {"proxy": proxy})


def test_every_option_says_what_it_may_be() -> None:
    _, components = resolve(OPTIONS_SCHEMA)
    forms = [task_type.options for task_type in TASK_TYPES.values() if task_type.options is not None]
    assert set(components) == {form.__name__ for form in forms}
    for component in components.values():
        assert all(option["description"] for option in component["properties"].values())


@pytest.mark.parametrize(
    ("options", "is_valid"),
    [
        ({"count": 3, "ttl": None}, True),
        ({"verify_tls": False, "proxy": "http://p:1"}, True),
        ({"count": 0}, False),
        ({"proxy": "ftp://p"}, False),
        ({"other": 1}, False),
    ],
)
def test_the_schema_agrees_with_the_reader(options: dict[str, Any], is_valid: bool) -> None:
    schema, components = resolve(OPTIONS_SCHEMA)
    validator = jsonschema.Draft202012Validator({**schema, "components": {"schemas": components}})
    assert validator.is_valid(options) is is_valid


def test_options_travel_beside_the_task() -> None:
    event = {"task_id": 1, "task_token": "t", "task_event_type": {"ping": "a"}}
    assert read_event(json.dumps(event).encode()).options is None
    assert read_event(json.dumps({**event, "options": None}).encode()).options is None
    options = read_event(json.dumps({**event, "options": {"count": 2}}).encode()).options
    assert options == PingOptions(count=2)
    assert options.span_ms == 200
