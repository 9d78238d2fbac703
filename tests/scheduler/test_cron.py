"""When schedules are due, through ``trigger_of``."""

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from scheduler.cron import ScheduleError, Trigger, trigger_of


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def due(trigger: Trigger, start: str, count: int) -> list[str]:
    at = utc(start)
    previous: datetime | None = None
    times = []
    for _ in range(count):
        following = trigger.get_next_fire_time(previous, at)
        assert following is not None
        at = previous = following
        times.append(f"{following:%Y-%m-%d %H:%M:%S}")
    return times


# fmt: off
DUE = [
    ("seconds come first", "*/20 * * * * *", "UTC", "2026-01-01 00:00:00",
     ["2026-01-01 00:00:20", "2026-01-01 00:00:40", "2026-01-01 00:01:00"]),
    ("five fields are at second zero", "* * * * *", "UTC", "2026-01-01 00:00:30",
     ["2026-01-01 00:01:00", "2026-01-01 00:02:00"]),
    ("0 is Sunday", "0 0 * * 0", "UTC", "2026-01-01 00:00:00", ["2026-01-04 00:00:00", "2026-01-11 00:00:00"]),
    ("7 is Sunday", "0 0 * * 7", "UTC", "2026-01-01 00:00:00", ["2026-01-04 00:00:00", "2026-01-11 00:00:00"]),
    ("names work", "0 0 * feb sun", "UTC", "2026-01-01 00:00:00", ["2026-02-01 00:00:00", "2026-02-08 00:00:00"]),
    ("either of two restricted day fields matches", "0 0 13 * fri", "UTC", "2026-01-08 00:00:00",
     ["2026-01-09 00:00:00", "2026-01-13 00:00:00", "2026-01-16 00:00:00"]),
    ("a starred day field does not widen the other", "0 0 */2 * fri", "UTC", "2026-01-01 00:00:00",
     ["2026-01-09 00:00:00", "2026-01-23 00:00:00"]),
    ("L is the last day of the month", "0 0 L * *", "UTC", "2026-01-31 00:00:00", ["2026-02-28 00:00:00"]),
    ("LW is its last working day", "0 0 LW * *", "UTC", "2026-02-01 00:00:00", ["2026-02-27 00:00:00"]),
    ("5#2 is the second Friday", "0 0 * * 5#2", "UTC", "2026-01-01 00:00:00", ["2026-01-09 00:00:00"]),
    ("leap days are found", "0 0 29 2 *", "UTC", "2026-01-01 00:00:00", ["2028-02-29 00:00:00", "2032-02-29 00:00:00"]),
    ("hourly", "@hourly", "UTC", "2026-01-01 00:00:00", ["2026-01-01 01:00:00"]),
    ("daily, in its zone", "@daily", "Asia/Shanghai", "2026-01-01 00:00:00", ["2026-01-01 16:00:00"]),
    ("weekly, on Sunday", "@weekly", "UTC", "2026-01-01 00:00:00", ["2026-01-04 00:00:00"]),
    ("monthly", "@monthly", "UTC", "2026-01-01 00:00:00", ["2026-02-01 00:00:00"]),
    ("yearly", "@yearly", "UTC", "2026-01-01 00:00:00", ["2027-01-01 00:00:00"]),
    ("an interval is aligned to the epoch", "@every 7s", "UTC", "1970-01-01 00:00:15",
     ["1970-01-01 00:00:21", "1970-01-01 00:00:28"]),
    ("a skipped time runs once right after the gap, Berlin", "30 2 * * *", "Europe/Berlin", "2026-03-28 12:00:00",
     ["2026-03-29 01:00:00", "2026-03-30 00:30:00"]),
    ("a skipped time runs once right after the gap, New York", "30 2 * * *", "America/New_York", "2026-03-07 12:00:00",
     ["2026-03-08 07:00:00", "2026-03-09 06:30:00"]),
    ("two skipped times run once together", "0,30 2 * * *", "Europe/Berlin", "2026-03-28 12:00:00",
     ["2026-03-29 01:00:00", "2026-03-30 00:00:00"]),
    ("the same with seconds", "15 30 2 * * *", "Europe/Berlin", "2026-03-28 12:00:00",
     ["2026-03-29 01:00:15", "2026-03-30 00:30:15"]),
    ("a repeated time runs once, Berlin", "30 2 * * *", "Europe/Berlin", "2026-10-24 12:00:00",
     ["2026-10-25 00:30:00", "2026-10-26 01:30:00"]),
    ("a repeated time runs once, New York", "30 1 * * *", "America/New_York", "2026-10-31 12:00:00",
     ["2026-11-01 05:30:00", "2026-11-02 06:30:00"]),
    ("a repeated time runs once, with seconds", "0 30 2 * * *", "Europe/Berlin", "2026-10-24 12:00:00",
     ["2026-10-25 00:30:00", "2026-10-26 01:30:00"]),
    ("nor again when started in the second pass", "30 2 * * *", "Europe/Berlin", "2026-10-25 01:15:00",
     ["2026-10-26 01:30:00"]),
    ("every hour goes by real time, forward", "0 * * * *", "Europe/Berlin", "2026-03-29 00:00:00",
     ["2026-03-29 01:00:00", "2026-03-29 02:00:00"]),
    ("every hour goes by real time, back", "0 * * * *", "Europe/Berlin", "2026-10-24 23:30:00",
     ["2026-10-25 00:00:00", "2026-10-25 01:00:00", "2026-10-25 02:00:00"]),
    ("every second goes by real time", "* * * * * *", "Europe/Berlin", "2026-03-29 00:59:58",
     ["2026-03-29 00:59:59", "2026-03-29 01:00:00", "2026-03-29 01:00:01"]),
]
REFUSED = [
    ("60 * * * *", "field 'minute' is '60'; want 0-59"),
    ("0 25 * * *", "field 'hour' is '25'; want 0-23"),
    ("61 * * * * *", "field 'second' is '61'; want 0-59"),
    ("0 0 32 * *", "field 'day-of-month' is '32'; want 1-31, L or LW"),
    ("0 0 * 13 *", "field 'month' is '13'; want 1-12 or jan-dec"),
    ("0 0 * * 8", "field 'day-of-week' is '8'; want 0-7 or sun-sat, with 0 and 7 Sunday"),
    ("*/0 * * * *", "field 'minute' is '*/0'; want 0-59"),
    (f"{'9' * 5000} * * * *", f"field 'minute' is '{'9' * 5000}'; want 0-59"),
    ("", "'' has 0 fields; want 5, or 6 with seconds first"),
    ("0 0 0 1 1 * 2026", "'0 0 0 1 1 * 2026' has 7 fields; want 5, or 6 with seconds first"),
    ("0 0 30 2 *", "'0 0 30 2 *' is never due; correct the day or the month"),
    ("0 0 31 4,6 *", "'0 0 31 4,6 *' is never due; correct the day or the month"),
    ("@reboot", "unknown macro '@reboot'; known are @hourly, @daily, @weekly, @monthly, @yearly, @every"),
    ("@every", "'@every' is no interval; want '@every 30s'"),
    ("@every 0s", "@every: '0s' is out of bounds; want 1s to 8760h"),
]
# fmt: on


@pytest.mark.parametrize(("schedule", "zone", "start", "expected"), [case[1:] for case in DUE], ids=[c[0] for c in DUE])
def test_a_schedule_is_due(schedule: str, zone: str, start: str, expected: list[str]) -> None:
    assert due(trigger_of(schedule, zone), start, len(expected)) == expected


@pytest.mark.parametrize(("schedule", "message"), REFUSED, ids=[case[0][:20] for case in REFUSED])
def test_a_schedule_that_is_none_is_refused(schedule: str, message: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        trigger_of(schedule, "UTC")
    assert str(caught.value) == message


@pytest.mark.parametrize("start", ["2026-03-01 00:00:00", "2026-10-01 00:00:00"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("schedule", ["*/15 1-3 * * *", "7,37 1,2 * * *", "10 */20 1-3 * * *"])
def test_times_are_strictly_increasing_through_changes_of_the_clock(schedule: str, zone: str, start: str) -> None:
    times = due(trigger_of(schedule, zone), start, 450)
    assert all(earlier < later for earlier, later in pairwise(times))


def test_asking_again_gives_the_same_answer() -> None:
    trigger = trigger_of("* * * * * *", "Europe/Berlin")
    at = utc("2026-01-01 00:00:00")
    assert [trigger.get_next_fire_time(at, at) for _ in range(3)] == [at + timedelta(seconds=1)] * 3


def test_after_a_jump_of_the_clock_it_goes_on_from_there() -> None:
    trigger = trigger_of("*/10 * * * * *", "UTC")
    noon = utc("2026-01-01 12:00:00")
    back = utc("2025-06-01 00:00:03")
    assert trigger.get_next_fire_time(None, noon) == noon + timedelta(seconds=10)
    assert trigger.get_next_fire_time(back, back) == back + timedelta(seconds=7)


def test_what_passed_in_a_pause_of_up_to_a_day_is_still_due() -> None:
    trigger = trigger_of("@hourly", "UTC")
    at = utc("2026-01-01 00:00:00")
    assert trigger.get_next_fire_time(at, at + timedelta(hours=23)) == at + timedelta(hours=1)
    assert trigger.get_next_fire_time(at, at + timedelta(hours=30)) == at + timedelta(hours=31)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_a_tick_every_second_costs_little(zone: str) -> None:
    trigger = trigger_of("* * * * * *", zone)
    at = utc("2026-01-01 00:00:00")
    start = time.process_time()
    for _ in range(2_000):
        following = trigger.get_next_fire_time(at, at)
        assert following is not None
        at = following
    assert (time.process_time() - start) / 2_000 < 100e-6
