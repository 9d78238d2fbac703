"""
Conditions of a Gatus endpoint, as what a job expects.

Conditions on the status are sets of codes, met by intersection; the others are taken one by one. To add a form: its
case in ``Expectations._take``.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from scheduler.imports.periods import duration, parse_ms

_FORM = re.compile(r"(.+?)\s*(==|!=|<=|>=|<|>)\s*(.+)", re.DOTALL)
_FUNCTION = re.compile(r"(any|pat)\((.*)\)", re.DOTALL)
_STEP = re.compile(r"\.?([^.\[\]]+)|\[([0-9]+)\]")
_PLAIN_STEP = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,9})?")
# In the job file's notation: a dollar sign, a reference, or any other character.
_PARTS = re.compile(r"\$\$|\$\{[^}]*\}|.", re.DOTALL)
_MEANINGFUL = frozenset(r"\.^*+?{}[]|()")
_WHOLE = re.compile(r"[0-9]{1,9}")
_FINAL = frozenset(range(200, 600))
_MOST_SINGLE_CODES = 20
_OPERATORS: Mapping[str, Callable[[int, int], bool]] = {
    "==": int.__eq__,
    "!=": int.__ne__,
    "<": int.__lt__,
    "<=": int.__le__,
    ">": int.__gt__,
    ">=": int.__ge__,
}


class _Condition(Struct, frozen=True):
    left: str
    operator: str
    right: str

    def words(self) -> tuple[str, list[str]]:
        """Which function stands on the right, ``""`` for none, and its arguments."""
        found = _FUNCTION.fullmatch(self.right)
        if found is None:
            return "", [self.right]
        return found[1], [word.strip() for word in found[2].split(",")] if found[1] == "any" else [found[2]]


class Expectations:
    """
    What the conditions given so far amount to; all texts are in the job file's notation.

    ``is_inverted``: what succeeds there would fail here. ``needs_body``: only a task that reads it can tell.
    """

    def __init__(self, *, is_http: bool) -> None:
        self.is_inverted = False
        self.needs_body = False
        self._is_http = is_http
        self._statuses = _FINAL
        self._latency_ms: int | None = None
        self._certificate_ms: int | None = None
        self._body_regex: str | None = None
        self._json: dict[str, Any] = {}

    def add(self, text: str) -> bool:
        """Take a condition in; ``False`` when a job cannot expect it."""
        found = _FORM.fullmatch(text.strip())
        return found is not None and self._take(_Condition(found[1], found[2], found[3]))

    def keys(self) -> dict[str, Any]:
        """The key ``expect`` of a job."""
        expect: dict[str, Any] = {}
        if self._statuses != _FINAL:
            expect["status"] = _codes(self._statuses)
        if self._body_regex is not None:
            expect["body_regex"] = self._body_regex
        if self._json:
            expect["json"] = self._json
        if self._latency_ms is not None:
            expect["latency"] = {"fail": duration(self._latency_ms)}
        if self._certificate_ms is not None:
            expect["cert_valid_for"] = duration(self._certificate_ms)
        return expect

    @property
    def has_status(self) -> bool:
        """Whether a condition was on the status."""
        return self._statuses != _FINAL

    def _take(self, condition: _Condition) -> bool:
        match condition.left, condition.operator:
            case "[CONNECTED]", "==" if condition.right in ("true", "false"):
                self.is_inverted |= condition.right == "false"
                return True
            case "[DNS_RCODE]", "==" if condition.right == "NOERROR":
                return True
            case "[RESPONSE_TIME]", "<" | "<=":
                return self._take_latency(condition.right)
            case "[CERTIFICATE_EXPIRATION]", ">" | ">=":
                return self._take_certificate(condition.right)
            case "[STATUS]", _ if self._is_http:
                return self._take_status(condition)
            case "[BODY]", "==" if self._is_http:
                return self._take_body(condition)
            case left, _ if self._is_http and left.startswith(("[BODY].", "[BODY][")):
                return self._take_json(condition)
            case _:
                return False

    def _take_latency(self, right: str) -> bool:
        if not _WHOLE.fullmatch(right):
            return False
        self._latency_ms = min(int(right), self._latency_ms or int(right))
        return True

    def _take_certificate(self, right: str) -> bool:
        valid_ms = parse_ms(right)
        if valid_ms is None:
            return False
        self._certificate_ms = max(valid_ms, self._certificate_ms or 0)
        return True

    def _take_status(self, condition: _Condition) -> bool:
        function, words = condition.words()
        if function == "pat":
            matches = _glob(words[0])
            allowed = frozenset(code for code in _FINAL if matches and re.search(matches, str(code)))
            allowed = _FINAL - allowed if condition.operator == "!=" else allowed
        elif all(_WHOLE.fullmatch(word) for word in words):
            compare = _OPERATORS[condition.operator]
            among = all if condition.operator == "!=" else any
            allowed = frozenset(code for code in _FINAL if among(compare(code, int(word)) for word in words))
        else:
            return False
        both = self._statuses & allowed
        if not both or _codes(both) is None:
            return False
        self._statuses = both
        return True

    def _take_body(self, condition: _Condition) -> bool:
        function, words = condition.words()
        pattern = _glob(words[0]) if function == "pat" else rf"\A(?:{'|'.join(map(_escaped, words))})\z"
        if pattern is None or self._body_regex is not None:
            return False
        self._body_regex = pattern
        self.needs_body = True
        return True

    def _take_json(self, condition: _Condition) -> bool:
        path = _jmespath(condition.left.removeprefix("[BODY]"))
        function, _ = condition.words()
        is_number = _NUMBER.fullmatch(condition.right)
        if path is None or function or condition.right.startswith("["):
            return False
        if condition.operator == "==":
            expression, value = path, _value(condition.right)
        elif is_number and condition.operator != "!=":
            expression, value = f"{path} {condition.operator} `{condition.right}`", True
        else:
            return False
        if self._json.get(expression, value) != value:
            return False
        self._json[expression] = value
        self.needs_body = True
        return True


def _codes(codes: frozenset[int]) -> list[Any] | None:
    """Classes where whole, then single codes; ``None`` when those are too many to be meant."""
    classes = [number for number in range(2, 6) if codes >= set(range(number * 100, number * 100 + 100))]
    single = sorted(code for code in codes if code // 100 not in classes)
    return None if len(single) > _MOST_SINGLE_CODES else [f"{number}xx" for number in classes] + single


def _value(text: str) -> Any:
    """What JSON has for a word: numbers and booleans are meant as such."""
    if text in ("true", "false"):
        return text == "true"
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text


def _jmespath(path: str) -> str | None:
    """The path of a condition; a name that JMESPath does not take as it is stands in quotes."""
    steps = ""
    position = 0
    while position < len(path):
        found = _STEP.match(path, position)
        if found is None or '"' in found[0] or "\\" in found[0]:
            return None
        if found[2] is not None:
            steps += f"[{found[2]}]"
        else:
            name = found[1] if _PLAIN_STEP.fullmatch(found[1]) else f'"{found[1]}"'
            steps += f".{name}" if steps else name
        position = found.end()
    return steps or None


def _glob(pattern: str) -> str | None:
    """A pattern of ``*`` and ``?`` over the whole text as a regular expression; ``None`` for one with more in it."""
    if re.search(r"[\[\]\\]", pattern):
        return None
    start = "" if pattern.startswith("*") else r"\A"
    end = "" if pattern.endswith("*") else r"\z"
    middle = pattern.strip("*")
    dots = "(?s)" if "*" in middle or "?" in middle else ""
    return dots + start + _escaped(middle, {"*": ".*", "?": "."}) + end


def _escaped(text: str, wild: Mapping[str, str] = {}) -> str:
    """
    A regular expression of the text, in which ``wild`` characters stand for more.

    Only what means something is escaped: ``re.escape`` would make a sentence unreadable. References stay.
    """

    def one(found: re.Match[str]) -> str:
        part = found[0]
        if part == "$$" or part in _MEANINGFUL:
            return wild.get(part, f"\\{part}")
        return part

    return _PARTS.sub(one, text)
