"""
What a job expects of a result that went well: prepared once for a series, then held against each result.

The first expectation that does not hold decides, in the order in which they stand here. One that needs a detail which
the agent does not send is no verdict on the target.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jmespath
import msgspec
from jmespath.exceptions import JMESPathError
from msgspec import Struct

from protocol.expect import Expect, read_expect
from protocol.outcomes import Reason
from protocol.patterns import Pattern, pattern
from protocol.secrets import are_lost, cover, resolve

SEARCHED_CHARACTERS = 1024 * 1024
PARSED_CHARACTERS = 4 * 1024 * 1024
_SHOWN = 80
_LONGEST_FORM = 16


class Finding(Struct, frozen=True):
    """
    What an agent found, as far as anything can be expected of it; ``None`` for what it did not say.

    ``headers`` are values by lower-case name, ``loss`` is in percent, ``cert_expires_ms`` is ms since the epoch.
    """

    latency_ms: float | None = None
    status: int | None = None
    body: str | None = None
    headers: Mapping[str, list[str]] | None = None
    cert_expires_ms: float | None = None
    loss: float | None = None


class Judgement(Struct, frozen=True):
    """``reason`` ``None``: all holds, ``is_degraded`` when it was slower than the warning."""

    reason: Reason | None = None
    message: str | None = None
    is_degraded: bool = False


class Miss(Struct, frozen=True):
    """An expectation that does not hold; ``got`` as it was found, however long, a text when it is to be quoted."""

    reason: Reason
    what: str
    got: str
    want: str = ""
    is_quoted: bool = False


_Check = Callable[[Finding, int], Miss | None]


class Expectations:
    """All that a job expects; ``secrets`` are values by reference, which no message shows, whole or in part."""

    def __init__(self, expect: Expect, secrets: Mapping[str, str] = {}) -> None:
        self._checks = list(_checks(expect))
        self._warn_ms = None if expect.latency is None else expect.latency.warn_ms
        self._secrets = secrets
        self._looked_at = _SHOWN + _LONGEST_FORM * max(map(len, secrets.values()), default=0)

    def judge(self, finding: Finding, now_ms: int) -> Judgement:
        """The first that does not hold, or that all do."""
        for check in self._checks:
            miss = check(finding, now_ms)
            if miss is not None:
                return Judgement(miss.reason, self._message(miss))
        slow = self._warn_ms is not None and finding.latency_ms is not None and finding.latency_ms > self._warn_ms
        return Judgement(is_degraded=slow)

    def _message(self, miss: Miss) -> str:
        if miss.reason is Reason.NO_DETAIL:
            return f"expect.{miss.what}: the agent does not say what this needs; update it"
        got = self._short(miss.got)
        return f"expect.{miss.what}: got {repr(got) if miss.is_quoted else got}, want {self._short(miss.want)}"

    def _short(self, text: str) -> str:
        """The beginning, covered before it is cut: what is left of a value could not be told from other text."""
        covered = cover(text[: self._looked_at], self._secrets)
        return covered if len(covered) <= _SHOWN else f"{covered[:_SHOWN]}…"


class Unresolved(Expectations):
    """Expectations with references whose values were lost in a restart: there is no verdict."""

    def __init__(self) -> None:
        super().__init__(Expect())

    def judge(self, _finding: Finding, _now_ms: int) -> Judgement:
        """See ``Expectations``."""
        return Judgement(
            Reason.INTERNAL, "expect: its secrets were lost when the server restarted; the next run has them"
        )


def prepared(text: bytes, secrets: Mapping[str, str]) -> Expectations:
    """
    The expectations of a JSON with references, which ``secrets`` has the values of.

    Raises:
        Unreadable: they are none.
    """
    return Expectations(read_expect(resolve(text, secrets)), secrets)


def prepared_again(text: str, secrets: Mapping[str, str]) -> Expectations:
    """The expectations of a stored JSON; ``secrets`` may lack what its references stand for."""
    return Unresolved() if are_lost(text, secrets) else prepared(text.encode(), secrets)


def _checks(expect: Expect) -> Iterator[_Check]:
    if expect.status is not None:
        yield _status(expect.status)
    if expect.body_regex is not None:
        yield _body(pattern(expect.body_regex))
    for expression, wanted in (expect.json or {}).items():
        yield _json(expression, wanted)
    for name, text in (expect.header or {}).items():
        yield _header(name.lower(), pattern(text))
    if expect.latency is not None and expect.latency.fail_ms is not None:
        yield _latency(expect.latency.fail_ms)
    if expect.cert_valid_for_ms is not None:
        yield _certificate(expect.cert_valid_for_ms)
    if expect.loss is not None:
        yield _loss(expect.loss)


def _status(wanted: tuple[int | str, ...]) -> _Check:
    def check(finding: Finding, _now_ms: int) -> Miss | None:
        status = finding.status
        if status is None:
            return _no_detail("status")
        if status in wanted or f"{status // 100}xx" in wanted:
            return None
        return Miss(Reason.STATUS, "status", str(status), " or ".join(map(str, wanted)))

    return check


def _body(wanted: Pattern) -> _Check:
    def check(finding: Finding, _now_ms: int) -> Miss | None:
        if finding.body is None:
            return _no_detail("body_regex")
        if wanted.is_in(finding.body[:SEARCHED_CHARACTERS]):
            return None
        return Miss(Reason.BODY, "body_regex", finding.body, wanted.text, is_quoted=True)

    return check


def _json(expression: str, wanted: Any) -> _Check:
    compiled = jmespath.compile(expression)

    def check(finding: Finding, _now_ms: int) -> Miss | None:
        if finding.body is None:
            return _no_detail("json")
        if len(finding.body) > PARSED_CHARACTERS:
            return Miss(Reason.JSON, "json", f"{len(finding.body):,} characters", f"{PARSED_CHARACTERS:,} at most")
        try:
            found = compiled.search(msgspec.json.decode(finding.body))
        except (msgspec.DecodeError, RecursionError):
            return Miss(Reason.JSON, "json", finding.body, "a JSON document", is_quoted=True)
        except JMESPathError as e:
            return Miss(Reason.JSON, f"json {expression}", str(e), _shown(wanted))
        if found == wanted and isinstance(found, bool) == isinstance(wanted, bool):
            return None
        return Miss(Reason.JSON, f"json {expression}", _shown(found), _shown(wanted))

    return check


def _header(name: str, wanted: Pattern) -> _Check:
    def check(finding: Finding, _now_ms: int) -> Miss | None:
        if finding.headers is None:
            return _no_detail("header")
        values = finding.headers.get(name, [])
        if any(wanted.is_in(value) for value in values):
            return None
        return Miss(Reason.HEADER, f"header {name}", ", ".join(values) if values else "none", wanted.text)

    return check


def _latency(most_ms: int) -> _Check:
    def check(finding: Finding, _now_ms: int) -> Miss | None:
        if finding.latency_ms is None:
            return _no_detail("latency")
        if finding.latency_ms <= most_ms:
            return None
        return Miss(Reason.LATENCY, "latency", f"{finding.latency_ms:.1f} ms", f"{most_ms} ms at most")

    return check


def _certificate(least_ms: int) -> _Check:
    def check(finding: Finding, now_ms: int) -> Miss | None:
        if finding.cert_expires_ms is None:
            return _no_detail("cert_valid_for")
        left_ms = finding.cert_expires_ms - now_ms
        if left_ms >= least_ms:
            return None
        got = f"{left_ms / 86_400_000:.1f} days"
        return Miss(Reason.CERT_EXPIRY, "cert_valid_for", got, f"{least_ms / 86_400_000:g} days at least")

    return check


def _loss(most: float) -> _Check:
    def check(finding: Finding, _now_ms: int) -> Miss | None:
        if finding.loss is None:
            return _no_detail("loss")
        return None if finding.loss <= most else Miss(Reason.LOSS, "loss", f"{finding.loss:g} %", f"{most:g} % at most")

    return check


def _no_detail(what: str) -> Miss:
    return Miss(Reason.NO_DETAIL, what, "")


def _shown(value: Any) -> str:
    return msgspec.json.encode(value).decode()
