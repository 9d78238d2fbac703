"""Recorded cases of cron jobs and of conditions on their ticks."""

import json
from typing import Any

import msgspec
import pytest

from protocol import crontab
from protocol.errors import Unreadable
from tests.vector_cases import vectors

Case = dict[str, Any]


def text(case: Case) -> bytes:
    return (case.get("raw") or json.dumps(case["json"])).encode()


@vectors("cron_type")
def test_a_cron_type_is_read_and_written_as_recorded(case: Case) -> None:
    if not case["valid"]:
        with pytest.raises(Unreadable):
            crontab.read_cron_type(text(case))
        return
    form = crontab.cron_type_form(crontab.read_cron_type(text(case)))
    assert msgspec.json.encode(form).decode() == case["wire_text"]
    assert msgspec.json.encode(form, order="sorted").decode() == case["stored_text"]


@vectors("crontab_result_condition")
def test_a_condition_on_ticks_is_read_as_recorded(case: Case) -> None:
    if case["valid"]:
        assert isinstance(crontab.read_tick_condition(text(case)), crontab.TickCondition)
    else:
        with pytest.raises(Unreadable):
            crontab.read_tick_condition(text(case))


@pytest.mark.parametrize(
    ("given", "condition"),
    [
        ('{"id":1}', crontab.TickId(1)),
        ('{"cron_id":2}', crontab.OfJob(2)),
        ('{"cron_name":"n"}', crontab.OfJobNamed("n")),
        ('{"run_time_from_to":[1,2]}', crontab.DueBetween(1, 2)),
        ('{"run_time_from":1}', crontab.DueBetween(1, None)),
        ('{"run_time_to":2}', crontab.DueBetween(None, 2)),
        ('"is_success"', crontab.HandedOver(True)),
        ('{"is_failure":null}', crontab.HandedOver(False)),
        ('{"limit":3}', crontab.Newest(3)),
        ('"last"', crontab.Newest(1)),
    ],
)
def test_each_condition_means_what_it_says(given: str, condition: crontab.TickCondition) -> None:
    assert crontab.read_tick_condition(given.encode()) == condition
