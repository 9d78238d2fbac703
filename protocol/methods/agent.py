"""``agent_*``: the parameters of its methods."""

from msgspec import Raw, Struct


class ReportSummary(Struct, frozen=True):
    """A monitoring report of a stock agent: authorised and dropped, never decoded."""

    token: str
    data: Raw


class ReportDynamic(Struct, frozen=True):
    """As ``ReportSummary``."""

    token: str
    dynamic_monitoring_data: Raw


class ReportStatic(Struct, frozen=True):
    """As ``ReportSummary``."""

    token: str
    static_monitoring_data: Raw


Report = ReportSummary | ReportDynamic | ReportStatic


class ListAgents(Struct, frozen=True):
    """Every agent that is known, connected or not."""

    token: str
