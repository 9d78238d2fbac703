"""The zones, years and expressions that schedules are tried with."""

from collections.abc import Iterator
from datetime import date
from random import Random

YEARS = (date(2024, 1, 1), date(2027, 1, 1))
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",  # half an hour off the others
    "Asia/Shanghai",  # no changes
    "Australia/Lord_Howe",  # changes by half an hour
    "America/Santiago",  # skips the hour after midnight
    "Africa/Cairo",  # skips the hour after midnight, and has the one before it twice
)

# Traps: the hours that clocks skip and repeat, ends of months, either day or both, names, steps.
TRAPS = (
    *("0 2 * * *", "30 2 * * *", "59 1 * * *", "0 3 * * *", "15 0 * * *", "0 0 * * *", "30 23 * * *", "0 1 * * *"),
    *("0,30 2 * * *", "0 2,3 * * *", "15,45 0,1,2,3 * * *", "0-59/7 1-3 * * *", "0 0-3 * * *", "5 23,0 * * *"),
    *("*/20 2 * * *", "0 * * * sun", "*/30 0-3 * * *", "17 */2 * * *", "0 */6 * * *", "*/15 * * * sun", "7 * 1 * *"),
    *("0 0 L * *", "0 12 LW * *", "0 0 29 2 *", "0 0 31 * *", "30 1 28-31 3,10 *", "0 2 1-7 * sun", "0 2 */2 * sun"),
    *("0 2 13 * fri", "0 0 1 1 *", "0 0 * * 7", "0 0 * * 0", "30 2 * * sun#2", "30 1 * * 0#1", "0 3 * mar,nov 5-7"),
    *("0 9 * * mon-fri", "0 2 L * 0", "10 2 * 3-4 6", "0 0 1,L * *", "0 4 1 */3 *", "0 2 * * */3", "45 23 31 12 *"),
    *(
        "30 0 2 * * *",
        "10,40 0 2,3 * * *",
        "15 30 2 * * sun",
        "0 */30 * * * sun",
        "5-50/15 30 1 * * *",
        "30 59 23 L * *",
    ),
)

_MINUTES = ("0", "30", "59", "1", "5,35", "10-50/20", "0-10/5", "*/30", "*/20", "0,59")
_HOURS = ("0", "1", "2", "3", "2", "23", "1-3", "0,12", "*/6", "0-23/4", "22-23", "*")
_DAYS_OF_MONTH = ("*", "*", "*", "1", "15", "L", "LW", "31", "28-31", "*/10", "1,15", "8-14")
_MONTHS = ("*", "*", "*", "3", "mar,oct", "10-11", "*/2", "apr-sep", "2")
_WEEKDAYS = ("*", "*", "*", "0", "7", "1-5", "sun", "sat,sun", "fri#2", "0#1", "*/2", "5-7", "thu")
_SECONDS = ("0", "30", "15,45", "59")


def expressions(count: int) -> Iterator[str]:
    """So many of them, all different, always the same."""
    random = Random(2026)
    given = dict.fromkeys(TRAPS)
    while len(given) < count:
        fields = [random.choice(choices) for choices in (_MINUTES, _HOURS, _DAYS_OF_MONTH, _MONTHS, _WEEKDAYS)]
        if fields[1] == "*" and fields[2:] == ["*", "*", "*"]:
            continue  # each of its days is like the next: the traps have some of these
        if fields[2] == "31" and fields[3] == "2":
            continue  # never due
        if random.random() < 0.15:
            fields.insert(0, random.choice(_SECONDS))
        given.setdefault(" ".join(fields))
    yield from list(given)[:count]
