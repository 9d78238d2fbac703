"""Windows of time as people write them: ``{days: mon-fri, from: "08:00", to: "20:00"}``, or two moments."""

import re
from datetime import datetime
from functools import partial

from scheduler.jobfile import values
from scheduler.jobfile.mistakes import Mistakes
from scheduler.jobfile.tree import Mapping, Node, Scalar
from scheduler.windows import DAY_MIN, Span, Weekly, Window

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}")
_KEYS = ("days", "from", "to")
_TIME = re.compile(r"(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9])|24:00")


def weekly(node: Node, mistakes: Mistakes) -> tuple[Weekly, ...]:
    """A list of weekly windows."""
    read = partial(_weekly, mistakes=mistakes)
    found = [mistakes.attempt(read, element) for element in values.listed(node)]
    return tuple(window for window in found if window is not None)


def any_window(node: Node, mistakes: Mistakes) -> tuple[Window, ...]:
    """A list of windows, weekly ones or from one moment to another."""
    read = partial(_window, mistakes=mistakes)
    found = [mistakes.attempt(read, element) for element in values.listed(node)]
    return tuple(window for window in found if window is not None)


def _window(node: Node, mistakes: Mistakes) -> Window | None:
    entries = values.mapping(node)
    bounds = [entries.entries[key] for key in ("from", "to") if key in entries.entries]
    if any(_is_date(bound) for bound in bounds):
        return _span(entries, mistakes)
    return _weekly(node, mistakes)


def _is_date(node: Node) -> bool:
    """Whether this is meant as a moment rather than as a time of day."""
    return isinstance(node, Scalar) and _DATE.match(node.text) is not None


def _span(window: Mapping, mistakes: Mistakes) -> Span | None:
    window.only(("from", "to"), mistakes)
    for key in ("from", "to"):
        if key not in window.entries:
            raise window.wrong(f"'{key}' is missing; add it")
    start = mistakes.attempt(_moment, window.entries["from"])
    end = mistakes.attempt(_moment, window.entries["to"])
    if start is None or end is None:
        return None
    if start >= end:
        raise window.wrong("ends before it starts; correct 'from' or 'to'")
    return Span(start, end)


def _moment(node: Node) -> datetime:
    """A moment; YAML 1.1 knows dates, so quotes are not asked for."""
    try:
        moment = datetime.fromisoformat(node.text if isinstance(node, Scalar) else "")
    except ValueError as e:
        form = '2026-11-24T08:00:00Z, or a time of day such as "08:00"'
        raise node.wrong(f"found {values.shown(node)}; want an RFC 3339 time such as {form}") from e
    if moment.tzinfo is None:
        raise node.wrong(f"found {values.shown(node)} without an offset; add Z, or one such as +08:00")
    return moment


def _weekly(node: Node, mistakes: Mistakes) -> Weekly | None:
    window = values.mapping(node)
    window.only(_KEYS, mistakes)
    if not window.entries:
        raise node.wrong('is empty; want {days: mon-fri, from: "08:00", to: "20:00"}')
    given = window.entries
    days = mistakes.attempt(_days, given["days"]) if "days" in given else tuple(range(len(DAYS)))
    start = mistakes.attempt(_minute, given["from"]) if "from" in given else 0
    end = mistakes.attempt(_minute, given["to"]) if "to" in given else DAY_MIN
    if days is None or start is None or end is None:
        return None
    if start in (end, DAY_MIN):
        raise node.wrong("is empty; want 'to' to differ from 'from', and 'from' before 24:00")
    return Weekly(days, start, end)


def _minute(node: Node) -> int:
    text = values.string(node)
    match = _TIME.fullmatch(text)
    if match is None:
        raise node.wrong(f'found {values.shown(node)}; want a time of day such as "08:00", up to "24:00"')
    return DAY_MIN if match["hour"] is None else int(match["hour"]) * 60 + int(match["minute"])


def _days(node: Node) -> tuple[int, ...]:
    days: set[int] = set()
    for element in values.one_or_more(node):
        for word in values.string(element).lower().split(","):
            first, dash, last = word.strip().partition("-")
            if first not in DAYS or (dash and last not in DAYS):
                raise element.wrong(f"found {values.shown(element)}; want days such as mon-fri or sat,sun")
            start = DAYS.index(first)
            length = (DAYS.index(last) - start) % 7 + 1 if dash else 1
            days |= {(start + n) % 7 for n in range(length)}
    return tuple(sorted(days))
