"""
How a run can end: three outcomes, and a closed set of reasons for those that are not ok.

``ok`` and ``failed`` judge the target; ``unknown`` says that we did not measure. The numbers are stored: never reuse
one.
"""

from enum import IntEnum, StrEnum


class Outcome(StrEnum):
    """What a run says about its target."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Reason(IntEnum):
    """Why a run is not ok. Below 100 the target failed; from 100 on we did not measure."""

    TIMEOUT = 1
    DNS = 2
    CONNECT_REFUSED = 3
    CONNECT_TIMEOUT = 4
    UNREACHABLE = 5
    TLS = 6
    HTTP_PROTOCOL = 7
    LOSS = 8
    STATUS = 9
    BODY = 10
    JSON = 11
    HEADER = 12
    LATENCY = 13
    CERT_EXPIRY = 14
    EXIT_CODE = 15
    PROBE_ERROR = 16

    AGENT_OFFLINE = 100
    NO_RESULT = 101
    REFUSED = 102
    NO_DETAIL = 103
    OVERLAP = 104
    INTERNAL = 105

    @property
    def word(self) -> str:
        """The reason as it is spelt in metrics, rows and messages."""
        return self.name.lower()

    @property
    def outcome(self) -> Outcome:
        """What a run with this reason says about its target."""
        return Outcome.UNKNOWN if self >= Reason.AGENT_OFFLINE else Outcome.FAILED


BY_WORD = {reason.word: reason for reason in Reason}
