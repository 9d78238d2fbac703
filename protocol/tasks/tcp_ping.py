"""``tcp_ping``: the time of one TCP connect to ``host:port``, in milliseconds."""

from protocol.reading import number, string
from protocol.schemas import TEXT
from protocol.tasks.interface import TaskType

TCP_PING = TaskType(
    name="tcp_ping", read_task=string, read_result=number, target=str, is_latency=True, payload=TEXT, result=float
)
