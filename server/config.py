"""What the server can be told. Read from flags and environment by the command line, trusted here."""

from enum import StrEnum
from pathlib import Path

from msgspec import Struct

REQUEST_LIMIT_BYTES = 10 * 1024 * 1024
"""The largest request body or WebSocket message."""

RESPONSE_LIMIT_BYTES = 100 * 1024 * 1024
"""The largest answer to a call, and to a batch of them."""


MAX_CONNECTIONS = 10_000

RETENTION_MS = 90 * 86_400_000
"""90 days."""


class MetricsExtent(StrEnum):
    """How much ``/metrics`` shows of a probe: ``BASIC`` leaves out the histogram and the phases of HTTP."""

    BASIC = "basic"
    FULL = "full"


class Config(Struct, frozen=True, kw_only=True):
    """
    ``store_url`` ``None`` is SQLite in the state directory. ``root_token`` is ``key:secret``; ``None`` takes the one
    that the state directory keeps, made at the first start.

    ``outbox_size`` is how many tasks may wait for one agent; the next one becomes ``unknown / internal``.
    ``max_connections`` counts WebSockets and calls on their way; the next one is answered 429.
    ``ping_s`` is how long a WebSocket is silent before it is pinged: long enough for a stock agent to introduce itself.
    ``metrics`` is how much is shown of a probe.
    ``rejection_delay_s`` is how long the first rejected registration of an address waits for its answer.
    ``public_page`` shows the status page to anybody, without targets, messages and UUIDs.
    ``retention_ms`` is how long rows are kept whose job does not say; ``None`` is for ever.
    """

    host: str = "127.0.0.1"
    port: int = 2211
    state_dir: Path = Path("cronprobe-state")
    store_url: str | None = None
    root_token: str | None = None
    outbox_size: int = 10_000
    max_connections: int = MAX_CONNECTIONS
    ping_s: float = 30.0
    metrics: MetricsExtent = MetricsExtent.FULL
    rejection_delay_s: float = 1.0
    retention_ms: int | None = RETENTION_MS
    public_page: bool = False

    @property
    def store(self) -> str:
        """The store's URL."""
        return self.store_url or f"sqlite:///{(self.state_dir / 'cronprobe.db').absolute()}"
