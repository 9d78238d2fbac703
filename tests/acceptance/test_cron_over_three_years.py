"""
Three hundred expressions in eight zones over three years: every fire time equals the oracle's.

With ``CRONPROBE_ACCEPTANCE_EXPRESSIONS`` fewer are tried.
"""

import os

import pytest

from tests.scheduler.cron_cases import YEARS, ZONES, expressions
from tests.scheduler.cron_oracle import Expression
from tests.scheduler.test_cron_oracle import fired

pytestmark = pytest.mark.acceptance

EXPRESSIONS = int(os.environ.get("CRONPROBE_ACCEPTANCE_EXPRESSIONS", "300"))


def test_fire_times_are_those_of_the_oracle() -> None:
    compared = 0
    for text in expressions(EXPRESSIONS):
        for zone in ZONES:
            times = fired(text, zone, *YEARS)
            assert times == list(Expression(text).times(zone, *YEARS)), (text, zone)
            compared += len(times)
    print(f"{EXPRESSIONS} expressions in {len(ZONES)} zones: {compared:,} fire times compared")
    assert compared > 1_000 * EXPRESSIONS
