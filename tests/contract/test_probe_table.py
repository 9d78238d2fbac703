"""Where the table of task types and the table of probes must agree."""

import pytest

from agent.probes import open_probes
from protocol.tasks import TASK_TYPES

PROBED = ("ping", "tcp_ping", "http_ping", "http_request")


@pytest.mark.parametrize("name", PROBED)
def test_a_type_that_is_scheduled_has_a_probe(name: str) -> None:
    with open_probes() as probes:
        assert name in TASK_TYPES
        assert name in probes


def test_every_probe_is_of_a_task_type() -> None:
    with open_probes() as probes:
        assert probes.keys() <= TASK_TYPES.keys()
