"""Is the clock right: schedules follow it, and an agent's results are dated by it."""

import ctypes
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from urllib.error import URLError
from urllib.request import urlopen

from cli.doctor.interface import LIMIT_S, Finding, Machine, fail, ok, warn

_UNSYNCHRONISED = 5
_LARGE_ENOUGH = 512
_MOST_SKEW_S = 2.0
"""The header has whole seconds, so that less cannot be told from none."""


def check_synchronised(_machine: Machine) -> Iterator[Finding]:
    """Whether something keeps the kernel's clock right: adjtimex(2), which needs no rights to be read."""
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_LARGE_ENOUGH))
    if state == _UNSYNCHRONISED:
        yield warn(
            "clock", "nothing keeps it synchronised", "start chrony or systemd-timesyncd: timedatectl set-ntp on"
        )
    elif state < 0:
        yield ok("clock", "the system does not say whether it is synchronised")
    else:
        yield ok("clock", "synchronised")


def check_skew(machine: Machine) -> Iterator[Finding]:
    """Our clock beside the server's, by the date of its answer."""
    if machine.server is None or not machine.server.startswith(("http://", "https://")):
        return
    before_s = time.time()
    try:
        with urlopen(f"{machine.server.rstrip('/')}/-/healthy", timeout=LIMIT_S) as response:  # noqa: S310 an http URL
            dated = parsedate_to_datetime(response.headers["date"])
    except (URLError, OSError, TypeError, ValueError):
        return
    skew_s = (before_s + time.time()) / 2 - (dated.timestamp() + 0.5)
    if abs(skew_s) > _MOST_SKEW_S:
        found = f"{abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} the server's"
        yield fail("clock", found, "synchronise both clocks: timedatectl set-ntp on")
    else:
        yield ok("clock", f"within {_MOST_SKEW_S:g} s of the server's")
