"""URLs of stores as anyone may see them."""

from sqlalchemy import URL
from sqlalchemy.engine import make_url


def shown(url: URL) -> str:
    """The URL without password and options."""
    bare = URL.create(url.get_backend_name(), url.username, None, url.host, url.port, url.database)
    return bare.render_as_string()


def public_url(text: str) -> str:
    """The same of a URL that a store was opened with."""
    return shown(make_url(text))
