"""The dashboards as Grafana reads them: what they refer to and what they say about themselves."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.grafana.boards import BOARDS, panels, queries, read_board
from tests.grafana.stack import CONFIGURATION, DEFAULT_ADDRESS, ROOT

PROVISIONING = ROOT / "grafana/provisioning"

each_board = pytest.mark.parametrize("file", BOARDS, ids=lambda file: file.stem)


def test_there_is_a_dashboard_with_the_uid_that_links_use() -> None:
    assert "cronprobe" in [read_board(file)["uid"] for file in BOARDS]


@each_board
def test_a_dashboard_is_of_a_schema_that_present_grafana_needs_not_migrate(file: Path) -> None:
    assert read_board(file)["schemaVersion"] >= 39


@each_board
def test_a_dashboard_names_no_data_source_but_its_variable(file: Path) -> None:
    sources: list[object] = []

    def note(part: dict[str, Any]) -> dict[str, Any]:
        sources.extend(value for name, value in part.items() if name == "datasource")
        return part

    json.loads(file.read_text(), object_hook=note)
    assert sources
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)


@each_board
def test_jobs_agents_and_types_can_be_chosen_several_at_once_or_all(file: Path) -> None:
    variables = {variable["name"]: variable for variable in read_board(file)["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    for name in ("cron_source", "agent", "type"):
        assert variables[name]["multi"]
        assert variables[name]["includeAll"]
        assert variables[name]["allValue"] == ".*"


@each_board
def test_every_panel_says_what_it_shows_and_in_which_unit(file: Path) -> None:
    for panel in panels(read_board(file)):
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


@each_board
def test_no_two_panels_have_the_same_id_or_lie_on_each_other(file: Path) -> None:
    board = read_board(file)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in board["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))


def test_no_variable_is_left_that_the_tests_do_not_replace() -> None:
    assert [query for query in queries() if "$" in query.text] == []


def test_provisioning_gives_the_data_source_and_the_folder_of_dashboards() -> None:
    [source] = yaml.safe_load((PROVISIONING / "datasources/prometheus.yaml").read_text())["datasources"]
    assert (source["uid"], source["type"], source["url"]) == ("prometheus", "prometheus", "http://localhost:9090")
    [provider] = yaml.safe_load((PROVISIONING / "dashboards/cronprobe.yaml").read_text())["providers"]
    assert provider["options"]["path"] == "/etc/grafana/provisioning/dashboards"


def test_prometheus_scrapes_the_default_address_as_often_as_grafana_believes() -> None:
    [scrape] = yaml.safe_load(CONFIGURATION.read_text())["scrape_configs"]
    [source] = yaml.safe_load((PROVISIONING / "datasources/prometheus.yaml").read_text())["datasources"]
    assert scrape["static_configs"] == [{"targets": [DEFAULT_ADDRESS]}]
    assert (scrape["job_name"], scrape["honor_labels"]) == ("cronprobe", False)
    assert scrape["scrape_interval"] == source["jsonData"]["timeInterval"]
