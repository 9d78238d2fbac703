"""``http_ping``: the time from sending a GET to its response headers, in milliseconds."""

from protocol.reading import number, url
from protocol.schemas import URL
from protocol.tasks.interface import TaskType
from protocol.urls import public_part

HTTP_PING = TaskType(
    name="http_ping", read_task=url, read_result=number, target=public_part, is_latency=True, payload=URL, result=float
)
