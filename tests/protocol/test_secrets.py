"""Values are covered by their references in whatever way they come back."""

import base64
import json
import time
from urllib.parse import quote, quote_plus

import msgspec
import pytest

from protocol.secrets import are_lost, cover, cover_json, resolve

VALUE = 'ge heim"nis\\ä/&%?\n'
SECRETS = {"${env:K}": VALUE}


@pytest.mark.parametrize(
    "form",
    [
        VALUE,
        json.dumps(VALUE)[1:-1],
        json.dumps(json.dumps(VALUE)[1:-1])[1:-1],
        json.dumps(VALUE, ensure_ascii=False)[1:-1],
        msgspec.json.encode(VALUE).decode()[1:-1],
        quote(VALUE, safe=""),
        quote(VALUE, safe="").lower().replace("%c3%a4", "%C3%a4"),
        quote_plus(VALUE),
        quote(VALUE, safe="/&?"),
    ],
)
def test_a_value_is_covered_however_it_is_escaped(form: str) -> None:
    assert cover(f"<{form}>", SECRETS) == "<${env:K}>"


def test_a_json_stays_one() -> None:
    secrets = {'${env:K:-a"b}': VALUE}
    text = json.dumps({"body": f"you said {VALUE} and {json.dumps(VALUE)}", "n": 1})
    assert json.loads(cover_json(text, secrets)) == {
        "body": 'you said ${env:K:-a"b} and "${env:K:-a"b}"',
        "n": 1,
    }


def test_the_longest_value_is_covered_where_one_begins_with_another() -> None:
    secrets = {"${env:A}": "secret", "${env:B}": "secretive"}
    assert cover("secretive secret", secrets) == "${env:B} ${env:A}"


def test_a_value_that_looks_like_a_reference_is_not_resolved_again() -> None:
    secrets = {"${env:A}": "${env:B}", "${env:B}": 'b"'}
    assert resolve(b'["${env:A}","${env:B}"]', secrets) == b'["${env:B}","b\\""]'


def test_a_short_value_is_left_and_what_is_unknown_is_lost() -> None:
    assert cover("abc", {"${env:K}": "abc"}) == "abc"
    assert not are_lost('{"a":"${env:K:-\\"}"}', {'${env:K:-"}': "x"})
    assert are_lost('{"a":"${file:k}"}', SECRETS)


def test_text_that_nearly_is_a_value_takes_no_longer(tmp_path: object) -> None:
    secrets = {"${env:K}": '"' * 40 + "x", "${env:L}": "\\" * 40 + "x"}
    start = time.perf_counter()
    for text in ("\\" * 200_000, '"' * 200_000, '\\"' * 100_000):
        assert cover(text, secrets) == text
    assert time.perf_counter() - start < 5


def test_a_long_value_is_covered_as_it_is_and_escaped_as_a_whole() -> None:
    key = "-----BEGIN KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0B+/AQEF\n" * 2_000
    secrets = {"${file:key.pem}": key, "${env:K}": VALUE}
    for form in (key, json.dumps(key)[1:-1], json.dumps(json.dumps(key)[1:-1])[1:-1], quote(key, safe="")):
        assert cover(f"<{form}>{VALUE}", secrets) == "<${file:key.pem}>${env:K}"


def test_covering_ten_megabytes_holds_nobody_up() -> None:
    text = json.dumps({"body": "lorem ipsum 'dolor' sit amet, " * 350_000})
    assert cover_json(text, SECRETS) == text  # compiled now
    start = time.perf_counter()
    cover_json(text, SECRETS)
    assert time.perf_counter() - start < 1


def test_base64_is_beyond_what_is_covered() -> None:
    text = base64.b64encode(VALUE.encode()).decode()
    assert cover(text, SECRETS) == text
