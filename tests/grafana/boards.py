"""The dashboards that are shipped, and their queries as Grafana would send them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.grafana.stack import ROOT

BOARDS = sorted((ROOT / "grafana/dashboards").glob("*.json"))
# What Grafana puts in place of a variable when "All" is chosen, the range is five minutes and the data source is
# scraped every 5 s. The longer name stands before the one that it begins with.
VARIABLES = {
    "$__rate_interval": "30s",
    "$__interval": "5s",
    "$__range": "5m",
    "$cron_source": ".*",
    "$agent": ".*",
    "$type": ".*",
    "$window": "5m",
    "${labels:raw}": "",
    "$instance": ".+",
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


def placed(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Everything that has a place: rows, and panels whether inside or below them."""
    return [part for panel in board["panels"] for part in (panel, *panel.get("panels", []))]


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that show something."""
    return [panel for panel in placed(board) if panel["type"] != "row"]


def marks(board: dict[str, Any]) -> list[dict[str, Any]]:
    """The annotations by a query."""
    found: list[dict[str, Any]] = board["annotations"]["list"]
    return found


def replaced(text: str) -> str:
    for name, value in VARIABLES.items():
        text = text.replace(name, value)
    return text


def queries() -> Iterator[Query]:
    """Every query of every panel of every dashboard, variables replaced."""
    for file in BOARDS:
        for panel in panels(read_board(file)):
            for target in panel["targets"]:
                yield Query(file.name, panel["title"], target["refId"], replaced(target["expr"]))


def queries_of_marks() -> Iterator[Query]:
    """Those of the annotations."""
    for file in BOARDS:
        for mark in marks(read_board(file)):
            yield Query(file.name, mark["name"], "", replaced(mark["expr"]))
