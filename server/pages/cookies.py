"""What a browser keeps for the pages: the session's id, and the language and colours that were chosen."""

from collections.abc import Mapping

SESSION = "cronprobe_session"
LANGUAGE = "cronprobe_language"
THEME = "cronprobe_theme"
THEMES = ("auto", "light", "dark")


def theme_of(cookies: Mapping[str, str]) -> str:
    """The colours that were chosen; ``auto`` follows the system."""
    chosen = cookies.get(THEME)
    return chosen if chosen in THEMES else "auto"
