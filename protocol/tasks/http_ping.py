"""``http_ping``: the time from sending a GET to its response headers, in milliseconds."""

from protocol.options import Flag, HttpOptions
from protocol.reading import number, url
from protocol.schemas import URL
from protocol.tasks.interface import TaskType
from protocol.urls import public_part


class HttpPingOptions(HttpOptions, frozen=True, kw_only=True):
    """
    Those of any HTTP exchange; the result of one that follows redirects is the time to the last response's headers.

    No body is read, so that every ``max_body`` is kept.
    """

    follow_redirects: Flag = False


HTTP_PING = TaskType(
    name="http_ping",
    read_task=url,
    read_result=number,
    target=public_part,
    is_latency=True,
    payload=URL,
    result=float,
    options=HttpPingOptions,
)
