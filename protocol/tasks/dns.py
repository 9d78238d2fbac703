"""``dns``: look up records of a name; the result is every record found, with the time of its query."""

from typing import Literal

from msgspec import Struct

from protocol.reading import sequence, struct
from protocol.schemas import array
from protocol.tasks.interface import TaskType

RecordType = Literal["a", "aaaa", "cname", "mx", "txt", "ns", "srv", "ptr", "soa", "caa"]


class Dns(Struct, frozen=True):
    """``dns_server`` is ``ip:port``; ``None`` takes the agent's own resolvers."""

    domain: str
    record_types: list[RecordType]
    dns_server: str | None = None


class DnsRecord(Struct, frozen=True):
    """One record; ``time`` is that of its query, in milliseconds."""

    record_type: RecordType
    time: float
    data: str


DNS = TaskType(
    name="dns",
    read_task=struct(Dns),
    read_result=sequence(struct(DnsRecord)),
    target=lambda dns: dns.domain,
    payload=Dns,
    result=array(DnsRecord),
)
