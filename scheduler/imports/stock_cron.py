"""
Cron expressions of a stock NodeGet server, in ours.

Theirs have seconds first and perhaps a year last, count the days of the week from 1 = Sunday, and want both day fields
to match where ours are content with either, unless one begins with a star. What cannot be said here is refused.
"""

import re
from collections.abc import Sequence

from msgspec import Struct

from protocol.errors import Error
from scheduler.cron import ScheduleError, read_schedule

_MACROS = ("@yearly", "@monthly", "@weekly", "@daily", "@hourly")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONG_NAMES = {
    **{
        name: name[:3]
        for name in (
            *("january", "february", "march", "april", "june", "july", "august"),
            *("september", "october", "november", "december"),
            *("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"),
        )
    },
    **{"tues": "tue", "thurs": "thu"},
}
_POINT = r"\s*(?:[0-9]+|[A-Za-z]+)\s*"
# Blanks may stand around numbers and names, and may be missing where two fields cannot be confused.
_TERM = re.compile(
    rf"\s*(?P<all>[*?])(?:/(?P<all_step>{_POINT}))?|(?P<first>{_POINT})(?:-(?P<last>{_POINT}))?(?:/(?P<step>{_POINT}))?"
)


class Untranslatable(Error):
    """The expression is none of theirs, or says what ours cannot."""


class _Field(Struct, frozen=True):
    """``names`` stand for the numbers from ``least`` on; ``is_named``: they are written for numbers as well."""

    title: str
    least: int
    most: int
    names: tuple[str, ...] = ()
    is_named: bool = False
    is_day: bool = False


_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day-of-month", 1, 31, is_day=True),
    _Field("month", 1, 12, _MONTHS),
    _Field("day-of-week", 1, 7, _DAYS, is_named=True, is_day=True),
    _Field("year", 1970, 2100),
)


class _Term(Struct, frozen=True):
    """From ``first`` to ``last`` in steps of ``step``; ``is_all`` was written as a star."""

    first: int
    last: int
    step: int
    is_all: bool
    by_name: bool = False

    def values(self) -> range:
        return range(self.first, self.last + 1, self.step)


def translate(expression: str) -> str:
    """
    The schedule that is due at the same times, in UTC.

    Raises:
        Untranslatable: there is none; the message says why.
    """
    if expression.strip() in _MACROS:
        return expression.strip()
    fields = _parse(expression)
    texts = [_text(field, terms) for field, terms in zip(_FIELDS, fields, strict=False)]
    if len(texts) == len(_FIELDS) and texts.pop() != "*":
        raise Untranslatable("it is limited to some years, which a schedule here cannot be")
    if not any(text.startswith("*") for text in (texts[3], texts[5])):
        raise Untranslatable("the days of the month and of the week have both to match there; here either would do")
    schedule = " ".join(texts)
    try:
        read_schedule(schedule)
    except ScheduleError as e:
        raise Untranslatable(str(e)) from e
    return schedule


def _parse(expression: str) -> list[list[_Term]]:
    fields: list[list[_Term]] = []
    position = 0
    while position < len(expression.rstrip()):
        if len(fields) == len(_FIELDS):
            raise Untranslatable("it has more than 7 fields")
        terms, position = _field(_FIELDS[len(fields)], expression, position)
        fields.append(terms)
    if len(fields) < len(_FIELDS) - 1:
        raise Untranslatable(f"it has {len(fields)} fields; want 6 with seconds first, or 7 with a year last")
    return fields


def _field(field: _Field, expression: str, position: int) -> tuple[list[_Term], int]:
    terms: list[_Term] = []
    while not terms or expression[position : position + 1] == ",":
        start = position + bool(terms)
        found = _TERM.match(expression, start)
        if found is None:
            raise Untranslatable(f"field '{field.title}' cannot be read at '{expression[start:].strip()}'")
        terms.append(_term(field, found))
        position = found.end()
    return terms, position


def _term(field: _Field, found: re.Match[str]) -> _Term:
    step_text = found["step"] or found["all_step"]
    step = 1 if step_text is None else _number(field, step_text, names=False)
    if not 1 <= step <= field.most:
        raise _odd(field, step_text)
    if found["all"]:
        if found["all"] == "?" and not field.is_day:
            raise _odd(field, "?")
        return _Term(field.least, field.most, step, is_all=True)
    first = _number(field, found["first"])
    by_name = found["first"].strip().isalpha()
    if found["last"] is not None:
        last = _number(field, found["last"])
    elif step_text is not None:
        last = field.most
    else:
        last = first
    if not field.least <= first <= last <= field.most or (by_name and step_text and not found["last"]):
        raise _odd(field, found[0])
    return _Term(first, last, step, is_all=False, by_name=by_name)


def _number(field: _Field, text: str, *, names: bool = True) -> int:
    word = text.strip().lower()
    if re.fullmatch(r"[0-9]{1,9}", word):
        return int(word)
    word = _LONG_NAMES.get(word, word)
    if names and word in field.names:
        return field.names.index(word) + field.least
    raise _odd(field, text)


def _odd(field: _Field, text: str) -> Untranslatable:
    return Untranslatable(f"field '{field.title}' has '{text.strip()}', which is none of theirs")


def _text(field: _Field, terms: Sequence[_Term]) -> str:
    """The field as ours writes it; one that leaves nothing out is a star."""
    if len({value for term in terms for value in term.values()}) == field.most - field.least + 1:
        return "*"
    return ",".join(_term_text(field, term) for term in terms)


def _term_text(field: _Field, term: _Term) -> str:
    if term.is_all:
        return f"*/{term.step}"
    by_name = field.is_named or term.by_name
    first, last = (field.names[n - field.least] if by_name else str(n) for n in (term.first, term.last))
    if len(term.values()) == 1:
        return first
    return f"{first}-{last}" if term.step == 1 else f"{first}-{last}/{term.step}"
