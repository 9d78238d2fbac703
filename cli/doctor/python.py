"""Is the program itself whole: Python's version, and the libraries it needs."""

import platform
import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from cli.doctor.interface import Finding, Machine, fail, ok

_OLDEST = (3, 11)


def check_python(_machine: Machine) -> Iterator[Finding]:
    """Python is new enough, and every library is installed."""
    if sys.version_info < _OLDEST:
        yield fail("python", f"Python {platform.python_version()}", "install Python 3.11 or newer")
    missing = [name for name in _libraries() if not _is_installed(name)]
    if missing:
        yield fail("python", f"missing: {', '.join(missing)}", f"pip install {' '.join(missing)}")
    else:
        yield ok("python", f"Python {platform.python_version()}, cronprobe {version('cronprobe')}, all libraries there")


def _libraries() -> list[str]:
    """Those that no extra is needed for."""
    needed = [line for line in requires("cronprobe") or () if "extra ==" not in line]
    return [found[0] for line in needed if (found := re.match(r"[\w.-]+", line))]


def _is_installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True
