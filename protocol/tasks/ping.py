"""``ping``: one ICMP echo; the result is the round trip in milliseconds."""

from protocol.reading import number, string
from protocol.schemas import TEXT
from protocol.tasks.interface import TaskType

PING = TaskType(
    name="ping", read_task=string, read_result=number, target=str, is_latency=True, payload=TEXT, result=float
)
