"""structlog's door: one line an event on stderr, logfmt or JSON."""

import logging
import sys
from enum import StrEnum

import structlog


class Level(StrEnum):
    """The least that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Format(StrEnum):
    """How a line is written."""

    LOGFMT = "logfmt"
    JSON = "json"


def configure(level: Level, form: Format) -> None:
    """Set it for the whole process, the libraries' own warnings included."""
    number = logging.getLevelNamesMapping()[level.upper()]
    # APScheduler tells each run of a job at INFO and asyncio its slow callbacks: their warnings are enough.
    logging.basicConfig(level=max(number, logging.WARNING), stream=sys.stderr, format="level=%(levelname)s %(message)s")
    renderer = (
        structlog.processors.JSONRenderer()
        if form is Format.JSON
        else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"])
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
