"""
Programs that tests need from Debian's packages: marked ``external``, skipped at home when absent, failing in CI.

A new program: its line in ``INSTALL``.
"""

import os
import shutil

import pytest

INSTALL = {"prometheus": "apt-get install prometheus"}


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("external"):
        need(*marker.args)


def need(program: str) -> None:
    if shutil.which(program) is None:
        absent = f"{program} is not installed; run: {INSTALL[program]}"
        if "CI" in os.environ:
            pytest.fail(absent, pytrace=False)
        pytest.skip(absent)  # at home only: whoever lacks the program can still run the rest
