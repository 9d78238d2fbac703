"""``web_shell``: a terminal on the agent, relayed by the server; the result comes when it ends."""

from msgspec import Struct
from msgspec.structs import force_setattr

from protocol.reading import boolean, normal_url, normal_uuid, struct
from protocol.schemas import FLAG
from protocol.tasks.interface import TaskType


class WebShell(Struct, frozen=True):
    """Where the agent dials, and the terminal that a user will attach to."""

    url: str
    terminal_id: str

    def __post_init__(self) -> None:
        force_setattr(self, "url", normal_url(self.url))
        force_setattr(self, "terminal_id", normal_uuid(self.terminal_id))


WEB_SHELL = TaskType(name="web_shell", read_task=struct(WebShell), read_result=boolean, payload=WebShell, result=FLAG)
