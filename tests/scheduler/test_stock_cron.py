"""Cron expressions of a stock server: either the same times here, or a word why not."""

from datetime import datetime
from typing import Any

import pytest

from scheduler.cron import trigger_of
from scheduler.imports.stock_cron import Untranslatable, translate
from tests.vector_cases import vectors

# Recorded expressions that a schedule here cannot say.
REFUSED = {
    "0 0 0 29 FEB * 2028",
    "0 0 0 30 2 *",
    "0 0 0 * * * 2026/2",
    "0 0 0 1 1 * 2020",
    "0 0 0 13 * FRI",
    "0 0 0 13 * 6",
    "0 0 0 * * * 2026,2027",
    "* * * * * * 2027",
    "0 0 0 1 * * 02026",
    "0 0 0 28-31 * SAT",
}


@vectors("nodeget_cron_expression")
def test_a_recorded_expression_is_due_at_the_recorded_times_or_refused(case: dict[str, Any]) -> None:
    if not case["valid"] or case["expr"] in REFUSED:
        with pytest.raises(Untranslatable):
            translate(case["expr"])
        return
    trigger = trigger_of(translate(case["expr"]), "UTC")
    at = datetime.fromisoformat(case["next_from"])
    times = []
    for _ in case["next"]:
        found = trigger.after(at)
        assert found is not None
        at = found
        times.append(at)
    assert times == [datetime.fromisoformat(time) for time in case["next"]]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("0 0 12 * * 1", "0 0 12 * * sun"),
        ("0 0 12 ? * 2-6", "0 0 12 * * mon-fri"),
        ("0 0 12 * * Monday - Thurs/2", "0 0 12 * * mon-thu/2"),
        ("0 0 2 * * 7/1", "0 0 2 * * sat"),
        ("0 0 2 * * */2", "0 0 2 * * */2"),
        ("5/15 * * * * *", "5-59/15 * * * * *"),
        ("0 0 0 1 1/3 *", "0 0 0 1 1-12/3 *"),
        ("0 0 0 1 january,Sept *", None),
        ("0 0 0 1 january-March *", "0 0 0 1 jan-mar *"),
        ("0-59 0-59 0-23 1-31 1-12 1-7 1970-2100", "* * * * * *"),
        ("0 0 0 1-31 * MON", "0 0 0 * * mon"),
        ("0 0 0 */5 * MON", "0 0 0 */5 * mon"),
        ("******", "* * * * * *"),
        (" @daily ", "@daily"),
    ],
)
def test_the_form_is_kept_where_it_can_be(theirs: str, ours: str | None) -> None:
    if ours is None:
        with pytest.raises(Untranslatable):
            translate(theirs)
    else:
        assert translate(theirs) == ours


@pytest.mark.parametrize(
    ("theirs", "why"),
    [
        ("0 0 0 13 * 6", "the days of the month and of the week have both to match there; here either would do"),
        ("0 0 0 * * * 2027", "it is limited to some years, which a schedule here cannot be"),
        ("0 0 0 30 2 *", "'0 0 0 30 2 *' is never due; correct the day or the month"),
        ("* * * * *", "it has 5 fields; want 6 with seconds first, or 7 with a year last"),
        ("* * * * * * * *", "it has more than 7 fields"),
        ("0 0 0 * * 0", "field 'day-of-week' has '0', which is none of theirs"),
        ("0 0 0 15W * *", "field 'month' has 'W', which is none of theirs"),
        ("0 0 0 * * 2#1", "field 'year' cannot be read at '#1'"),
    ],
)
def test_what_cannot_be_said_is_refused_with_a_reason(theirs: str, why: str) -> None:
    with pytest.raises(Untranslatable) as caught:
        translate(theirs)
    assert str(caught.value) == why
