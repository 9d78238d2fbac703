"""``edit_config``: replace the agent's configuration file with this TOML text."""

from protocol.reading import boolean, string
from protocol.schemas import FLAG, TEXT
from protocol.tasks.interface import TaskType

EDIT_CONFIG = TaskType(name="edit_config", read_task=string, read_result=boolean, payload=TEXT, result=FLAG)
