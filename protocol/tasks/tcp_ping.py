"""``tcp_ping``: the time of one TCP connect to ``host:port``, in milliseconds."""

from protocol.options import Family, Flag, Options
from protocol.reading import number, string
from protocol.schemas import TEXT
from protocol.tasks.interface import TaskType


class TcpPingOptions(Options, frozen=True, kw_only=True):
    """
    ``family`` ``None`` takes the name's first address.

    ``tls`` adds a TLS handshake, which counts in the result; the certificate must be valid for the host.
    """

    family: Family = None
    tls: Flag = False


TCP_PING = TaskType(
    name="tcp_ping",
    read_task=string,
    read_result=number,
    target=str,
    is_latency=True,
    payload=TEXT,
    result=float,
    options=TcpPingOptions,
)
