"""
When a certificate ends, from its DER form (RFC 5280, 4.1): Python decodes one only that it has verified.

Nothing else of it is read, and nothing is verified here.
"""

import ssl
from datetime import UTC, datetime

_SEQUENCE = 0x30
_VERSION = 0xA0
_UTC_TIME = 0x17
_GENERALIZED_TIME = 0x18
_FIELDS_BEFORE_VALIDITY = 3  # serial number, signature, issuer


def expiry(tls: ssl.SSLObject | None) -> dict[str, int]:
    """What the detail says of the peer's certificate: nothing without TLS, or when its end cannot be read."""
    der = None if tls is None else tls.getpeercert(binary_form=True)
    expires_at = None if der is None else expires_at_ms(der)
    return {} if expires_at is None else {"cert_expires_at": expires_at}


def expires_at_ms(der: bytes) -> int | None:
    """The end of its validity, ms since the epoch; ``None`` when it cannot be read."""
    try:
        return _time_ms(*_not_after(der))
    except (ValueError, IndexError):
        return None


def _not_after(der: bytes) -> tuple[int, str]:
    """The tag of the time and its text."""
    at = _inside(der, _inside(der, 0))
    if der[at] == _VERSION:
        at = _after(der, at)
    for _ in range(_FIELDS_BEFORE_VALIDITY):
        at = _after(der, at)
    at = _after(der, _inside(der, at))
    start, end = _content(der, at)
    return der[at], der[start:end].decode("ascii")


def _content(der: bytes, at: int) -> tuple[int, int]:
    """Where the content of the element at ``at`` starts and ends."""
    length, start = der[at + 1], at + 2
    if length >= 0x80:
        digits = length & 0x7F
        length, start = int.from_bytes(der[start : start + digits]), start + digits
    return start, start + length


def _inside(der: bytes, at: int) -> int:
    if der[at] != _SEQUENCE:
        raise ValueError(f"tag {der[at]} is no sequence")
    return _content(der, at)[0]


def _after(der: bytes, at: int) -> int:
    return _content(der, at)[1]


def _time_ms(tag: int, text: str) -> int:
    if tag == _UTC_TIME:
        text = ("20" if text < "50" else "19") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError(f"tag {tag} is no time")
    return int(datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()) * 1000
