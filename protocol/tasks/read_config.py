"""``read_config``: the agent's configuration file, verbatim."""

from protocol.reading import string
from protocol.schemas import TEXT
from protocol.tasks.interface import TaskType

READ_CONFIG = TaskType(name="read_config", read_task=None, read_result=string, result=TEXT)
