"""
The words of the pages, one table a language.

To add a language: its file with a ``Texts`` and its line in ``LANGUAGES``; mypy names what it lacks.
"""

from server.pages.texts.chinese import CHINESE
from server.pages.texts.english import ENGLISH
from server.pages.texts.interface import Texts

LANGUAGES: dict[str, Texts] = {texts.code: texts for texts in (ENGLISH, CHINESE)}


def choose(cookie: str | None, accepted: str) -> Texts:
    """The language of the cookie, else the one that ``Accept-Language`` likes best (RFC 9110, 12.5.4), else English."""
    if cookie in LANGUAGES:
        return LANGUAGES[cookie]
    liked = [_weighted(part) for part in accepted.split(",")]
    for weight, tag in sorted(liked, key=lambda pair: -pair[0]):
        primary = tag.partition("-")[0]
        if weight > 0 and primary in LANGUAGES:
            return LANGUAGES[primary]
    return ENGLISH


def _weighted(part: str) -> tuple[float, str]:
    tag, _, parameter = part.partition(";")
    name, _, value = parameter.strip().partition("=")
    try:
        weight = float(value) if name.strip() == "q" else 1.0
    except ValueError:
        weight = 0.0
    return weight, tag.strip().lower()
