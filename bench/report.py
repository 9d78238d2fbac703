"""What one run found."""

from typing import ClassVar

from msgspec import Struct

Ledger = dict[str, int]
"""Ticks by what became of them: due, ok, failed, unknown, missed."""


class Report(Struct, frozen=True, kw_only=True):
    """Times in ms; ``cpu_cores`` is the server's, 1.0 a whole core; ``rss_mb`` its largest."""

    rate: int
    completed_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_cores: float
    rss_mb: float
    ledger: Ledger

    HEADER: ClassVar[str] = (
        f"{'rate/s':>7} {'completed/s':>11} {'p50 ms':>7} {'p99 ms':>7} {'cores':>6} {'µs/task':>8} {'RSS MB':>7}"
        "  ledger"
    )

    @property
    def is_balanced(self) -> bool:
        """Every due tick has become exactly one thing."""
        ledger = self.ledger
        return ledger["due"] == sum(ledger[key] for key in ("ok", "failed", "unknown", "missed"))

    @property
    def is_sustained(self) -> bool:
        """Every due tick was completed in time: a backlog that grows passes the jobs' timeout within the run."""
        return self.ledger["due"] == self.ledger["ok"]

    def line(self) -> str:
        """The report as a line under ``HEADER``."""
        cost = self.cpu_cores / self.completed_per_s * 1e6 if self.completed_per_s else 0.0
        ledger = " ".join(f"{key} {count}" for key, count in self.ledger.items())
        return (
            f"{self.rate:>7} {self.completed_per_s:>11,.0f} {self.p50_ms:>7.0f} {self.p99_ms:>7.0f} "
            f"{self.cpu_cores:>6.2f} {cost:>8.1f} {self.rss_mb:>7.0f}  {ledger}"
        )
