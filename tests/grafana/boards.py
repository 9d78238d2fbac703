"""The dashboards that are shipped, and their queries as Grafana would send them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.grafana.stack import ROOT

BOARDS = sorted((ROOT / "grafana/dashboards").glob("*.json"))
# What Grafana puts in place of a variable when "All" is chosen and the data source is scraped every 5 s. The longer
# name stands before the one that it begins with.
VARIABLES = {
    "$__rate_interval": "30s",
    "$__interval": "5s",
    "$__range": "5m",
    "$cron_source": ".*",
    "$agent": ".*",
    "$type": ".*",
}


class Query(NamedTuple):
    """``panel`` and ``letter`` say where it stands."""

    board: str
    panel: str
    letter: str
    text: str


def read_board(file: Path) -> dict[str, Any]:
    board: dict[str, Any] = json.loads(file.read_text())
    return board


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that show something."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries() -> Iterator[Query]:
    """Every query of every panel of every dashboard, variables replaced."""
    for file in BOARDS:
        for panel in panels(read_board(file)):
            for target in panel["targets"]:
                text = target["expr"]
                for name, value in VARIABLES.items():
                    text = text.replace(name, value)
                yield Query(file.name, panel["title"], target["refId"], text)
