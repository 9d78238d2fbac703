"""Where the table of task types and the table of probes must agree."""

from agent.permissions import SWITCHES
from protocol.tasks import TASK_TYPES
from tests.agent.probing import probes_of


async def test_every_task_type_has_a_probe_and_a_switch_and_nothing_else_has() -> None:
    async with probes_of() as probes:
        assert probes.keys() == TASK_TYPES.keys() == SWITCHES.keys()
