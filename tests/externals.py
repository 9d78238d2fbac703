"""
Programs that tests need from Debian's packages: marked ``external``, skipped at home when absent, failing in CI.

A new program: its line in ``INSTALL``.
"""

import os
import shutil
from glob import glob
from typing import NoReturn

import pytest

INSTALL = {
    "postgres": "apt-get install postgresql",
    "prometheus": "apt-get install prometheus",
    "chromium": "apt-get install chromium",
    "ip": "apt-get install iproute2",
    "unshare": "apt-get install util-linux",
    "systemd-analyze": "apt-get install systemd",
    "nginx": "apt-get install nginx-light",
    "docker-compose": "apt-get install docker-compose",
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("external"):
        need(*marker.args)


def need(program: str) -> None:
    folders = [os.environ.get("PATH", os.defpath), *glob("/usr/lib/postgresql/*/bin")]
    if shutil.which(program, path=os.pathsep.join(folders)) is None:
        absent(f"{program} is not installed; run: {INSTALL[program]}")


def absent(what: str) -> NoReturn:
    """End a test that lacks ``what`` here."""
    if "CI" in os.environ:
        pytest.fail(what, pytrace=False)
    pytest.skip(what)  # at home only: whoever lacks it can still run the rest
