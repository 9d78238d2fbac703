"""``ping``: ICMP echoes, one unless told; the result is the round trip in milliseconds, of several the mean."""

from typing import Annotated

from msgspec import Meta

from protocol.options import Family, Flag, Options
from protocol.reading import number, string
from protocol.schemas import TEXT
from protocol.tasks.interface import TaskType

Count = Annotated[int, Meta(ge=1, le=100, description="1 to 100 echoes")]
Interval = Annotated[int, Meta(ge=10, le=60_000, description="10 to 60000 ms")]
# What an IPv4 packet holds is 65,507 bytes.
Size = Annotated[int, Meta(ge=0, le=65_000, description="0 to 65000 bytes")]
Ttl = Annotated[Annotated[int, Meta(ge=1, le=255)] | None, Meta(description="1 to 255, or null for the system's")]


class PingOptions(Options, frozen=True, kw_only=True):
    """
    ``count`` echoes, ``interval_ms`` apart, with ``size`` bytes of payload each.

    ``family`` ``None`` takes the name's first address. ``ttl`` is the hop limit, ``None`` the system's.
    ``dont_fragment`` sends no packet that would be taken apart on its way; one that is too large is a failure.
    """

    count: Count = 1
    interval_ms: Interval = 200
    size: Size = 56
    family: Family = None
    ttl: Ttl = None
    dont_fragment: Flag = False

    @property
    def span_ms(self) -> int:
        """The time from the first echo to the last, which a task's whole time must exceed by that of the replies."""
        return (self.count - 1) * self.interval_ms


PING = TaskType(
    name="ping",
    read_task=string,
    read_result=number,
    target=str,
    is_latency=True,
    payload=TEXT,
    result=float,
    options=PingOptions,
)
