"""What of a URL may be shown: labels and lines on a screen never carry a query, a fragment or user info."""

from ada_url import URL

_BEGIN_PRIVATE = frozenset("@?#")


def public_part(url: str) -> str:
    """The URL without user info, query and fragment; ``url`` must be absolute, and is as it should be shown."""
    if _BEGIN_PRIVATE.isdisjoint(url):
        return url
    parsed = URL(url)
    parsed.username = ""
    parsed.password = ""
    parsed.search = ""
    parsed.hash = ""
    return parsed.href
