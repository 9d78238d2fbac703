"""``self_update``: replace the agent's own program by the release with this tag."""

from protocol.reading import boolean, string
from protocol.schemas import FLAG, TEXT
from protocol.tasks.interface import TaskType

SELF_UPDATE = TaskType(name="self_update", read_task=string, read_result=boolean, payload=TEXT, result=FLAG)
