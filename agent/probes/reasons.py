"""Which reason an exception of the network stands for, and what to show of it. Pure tables and functions."""

import errno
import ssl

import aiohttp

from protocol.outcomes import Reason

_UNREACHABLE = {
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.EHOSTDOWN,
    errno.EADDRNOTAVAIL,
    errno.EAFNOSUPPORT,
}

# Trouble of this machine says nothing about the target.
_OURS = {errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EPERM, errno.EACCES}

_PROXY_AUTHENTICATION_REQUIRED = 407

# The first class that fits decides, so subclasses stand before their bases.
_HTTP_REASONS: tuple[tuple[type[BaseException], Reason], ...] = (
    # A proxy is our way to the target, and no part of it.
    (aiohttp.ClientProxyConnectionError, Reason.INTERNAL),
    (aiohttp.ClientConnectorDNSError, Reason.DNS),
    (aiohttp.ConnectionTimeoutError, Reason.CONNECT_TIMEOUT),
    (TimeoutError, Reason.TIMEOUT),
    (aiohttp.ClientSSLError, Reason.TLS),
    (aiohttp.ClientConnectorCertificateError, Reason.TLS),
    (ssl.SSLError, Reason.TLS),
)


def os_reason(error: OSError) -> Reason:
    """The reason for a failed system call on a socket."""
    if error.errno in _UNREACHABLE:
        return Reason.UNREACHABLE
    if error.errno == errno.ECONNREFUSED:
        return Reason.CONNECT_REFUSED
    if error.errno in _OURS:
        return Reason.INTERNAL
    return Reason.CONNECT_TIMEOUT if error.errno == errno.ETIMEDOUT else Reason.PROBE_ERROR


def http_reason(error: Exception, *, is_proxied: bool) -> Reason:
    """The reason for a failed HTTP exchange; what fits nothing else broke the protocol."""
    if is_proxied and isinstance(error, aiohttp.ClientConnectorDNSError):
        # The proxy's name: the target's is the proxy's to resolve.
        return Reason.INTERNAL
    if isinstance(error, aiohttp.ClientHttpProxyError) and error.status == _PROXY_AUTHENTICATION_REQUIRED:
        return Reason.INTERNAL
    for kind, reason in _HTTP_REASONS:
        if isinstance(error, kind):
            return reason
    if isinstance(error, aiohttp.ClientConnectorError):
        # Addresses that failed in different ways, or none of the egress's family: one error without a number.
        return os_reason(error.os_error) if error.os_error.errno else Reason.UNREACHABLE
    return Reason.HTTP_PROTOCOL


def text_of(error: BaseException) -> str:
    """The error's text, or its kind when it has none; what a target sent may not be encodable as it is."""
    text = str(error) or type(error).__name__
    return text.encode(errors="replace").decode()
