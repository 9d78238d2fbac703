"""The dashboards as Grafana reads them: what they refer to and what they say about themselves."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import AnnotationQuery, Dashboard

from grafana import frame
from grafana.boards import BOARDS as MADE
from tests.grafana.boards import BOARDS, marks, panels, placed, queries, queries_of_marks, read_board
from tests.grafana.causes import write_jobs
from tests.grafana.stack import CONFIGURATION, DEFAULT_ADDRESS, EXAMPLE, ROOT, RULES, rules_of

PROVISIONING = ROOT / "grafana/provisioning"
UIDS = {"cronprobe-overview", "cronprobe-job", "cronprobe-agents", "cronprobe-itself"}
DOCUMENTED = ROOT / "docs/metrics.md"
_OF_GRAFANA = re.compile(r"__\w+")
_USED = re.compile(r"\$\{?([a-z_]\w*)")
PROMQL = {"and", "or", "unless", "bool", "offset"}
# What Prometheus itself adds to a scrape, and families of prometheus-client that docs/metrics.md names by their prefix.
NOT_OURS = ("up", "scrape_", "process_", "python_", "ALERTS")

each_board = pytest.mark.parametrize("file", BOARDS, ids=lambda file: file.stem)


def strings(part: Any) -> Iterator[str]:
    """Every text in the JSON, at any depth."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, dict):
        for value in part.values():
            yield from strings(value)
    elif isinstance(part, list):
        for value in part:
            yield from strings(value)


def test_the_dashboards_are_those_that_the_generator_makes() -> None:
    """After a change of ``grafana/``: ``make dashboards``."""
    assert [file.stem for file in BOARDS] == sorted(MADE)
    for file in BOARDS:
        assert file.read_text() == frame.text(MADE[file.stem]()), f"{file.name} is not fresh; run: make dashboards"


def test_the_uids_are_those_that_links_and_bookmarks_use() -> None:
    assert {read_board(file)["uid"] for file in BOARDS} == UIDS


@each_board
def test_the_model_of_grafana_reads_a_dashboard_and_leaves_nothing_out(file: Path) -> None:
    register_default_plugins()
    board = read_board(file)
    read = json.loads(json.dumps(Dashboard.from_json(read_board(file)), cls=JSONEncoder))
    # The model knows annotations of Grafana's own store only, not those by a query of Prometheus.
    modelled = AnnotationQuery().to_json().keys() | {"expr"}
    for mark in marks(board):
        for name in mark.keys() - modelled:
            del mark[name]
    for mark in marks(read):
        del mark["hide"], mark["builtIn"]
    assert read == board


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
def test_every_dashboard_asks_which_data_source_and_refreshes_at_a_bearable_rate(file: Path) -> None:
    board = read_board(file)
    source = board["templating"]["list"][0]
    assert (source["type"], source["query"], source["current"]["value"]) == ("datasource", "prometheus", "prometheus")
    assert (board["refresh"], board["time"]) == ("30s", {"from": "now-1h", "to": "now"})


@pytest.mark.parametrize(
    ("name", "several"),
    [("overview", ["cron_source", "agent", "type"]), ("job", ["agent", "type"]), ("agents", ["cron_source", "agent"])],
)
def test_several_or_all_can_be_chosen_at_once(name: str, several: list[str]) -> None:
    [file] = [file for file in BOARDS if file.stem == name]
    variables = {variable["name"]: variable for variable in read_board(file)["templating"]["list"]}
    for each in several:
        assert variables[each]["multi"]
        assert variables[each]["includeAll"]
        assert variables[each]["allValue"] == ".*"


def test_the_board_of_a_job_is_about_one() -> None:
    [file] = [file for file in BOARDS if file.stem == "job"]
    variables = {variable["name"]: variable for variable in read_board(file)["templating"]["list"]}
    assert not variables["cron_source"]["multi"]
    assert not variables["cron_source"]["includeAll"]


@each_board
def test_every_panel_says_what_it_shows_in_which_unit_and_what_nothing_means(file: Path) -> None:
    known = {value for name, value in vars(units).items() if isinstance(value, str) and not name.startswith("_")}
    for panel in panels(read_board(file)):
        defaults = panel["fieldConfig"]["defaults"]
        assert len(panel["description"]) > 60, panel["title"]
        assert defaults["unit"] in known, panel["title"]
        assert defaults["noValue"], panel["title"]


@each_board
def test_lines_have_legends_and_ratios_have_an_end(file: Path) -> None:
    for panel in panels(read_board(file)):
        defaults = panel["fieldConfig"]["defaults"]
        if panel["type"] in ("timeseries", "state-timeline"):
            assert panel["options"]["legend"]["showLegend"], panel["title"]
        if panel["type"] != "table":
            assert all(target["legendFormat"] for target in panel["targets"]), panel["title"]
        if defaults["unit"] == "percentunit":
            assert defaults["max"] == 1, panel["title"]
        if panel["type"] in ("stat", "state-timeline"):
            assert defaults["thresholds"]["steps"] or defaults["mappings"], panel["title"]


@each_board
def test_titles_of_panels_are_their_own(file: Path) -> None:
    titles = [panel["title"] for panel in panels(read_board(file))]
    assert len(titles) == len(set(titles))


@each_board
def test_no_two_panels_have_the_same_id_or_lie_on_each_other(file: Path) -> None:
    parts = placed(read_board(file))
    cells = [
        (x, y)
        for place in (part["gridPos"] for part in parts)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    ids = [part["id"] for part in parts]
    assert len(ids) == len(set(ids))
    assert min(ids) > 0


@each_board
def test_every_line_of_panels_is_full(file: Path) -> None:
    widths: dict[int, int] = {}
    for part in placed(read_board(file)):
        place = part["gridPos"]
        widths[place["y"]] = widths.get(place["y"], 0) + place["w"]
    assert set(widths.values()) == {24}


@each_board
def test_every_board_leads_to_all_others_with_its_variables_and_its_time(file: Path) -> None:
    board = read_board(file)
    links = [link for link in board["links"] if link["url"].startswith("/d/")]
    assert {link["url"].removeprefix("/d/") for link in links} == UIDS - {board["uid"]}
    assert all(link["includeVars"] and link["keepTime"] for link in links)


@each_board
def test_every_link_into_grafana_leads_to_a_dashboard_that_exists(file: Path) -> None:
    found = {uid for text in strings(read_board(file)) for uid in re.findall(r"/d/([\w-]+)", text)}
    assert found
    assert found <= UIDS


def test_jobs_in_tables_lead_to_the_board_of_the_job() -> None:
    [file] = [file for file in BOARDS if file.stem == "overview"]
    links = [text for text in strings(read_board(file)) if text.startswith("/d/cronprobe-job?")]
    assert links
    for link in links:
        assert link.startswith(
            "/d/cronprobe-job?var-cron_source=${__value.raw:percentencode}&${datasource:queryparam}&"
        )


@each_board
def test_every_variable_that_is_used_exists(file: Path) -> None:
    board = read_board(file)
    known = {variable["name"] for variable in board["templating"]["list"]}
    used = {name for text in strings(board) for name in _USED.findall(text) if not _OF_GRAFANA.fullmatch(name)}
    assert used - known == set()
    assert known - used == set(), "nobody uses them"


def test_no_variable_is_left_that_the_tests_do_not_replace() -> None:
    assert [query for query in (*queries(), *queries_of_marks()) if _USED.search(query.text)] == []


def test_every_metric_in_a_query_is_documented_or_recorded_by_a_rule(tmp_path: Path) -> None:
    documented = set(re.findall(r"\b(?:cronprobe|probe)_[a-z0-9_]+", DOCUMENTED.read_text()))
    texts = [(RULES / "cronprobe.yml").read_text(), rules_of([EXAMPLE, write_jobs(tmp_path, site="localhost:1")])]
    groups = [group for text in texts for group in yaml.safe_load(text)["groups"]]
    recorded = {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}
    for query in (*queries(), *queries_of_marks()):
        names = metrics_in(query.text)
        assert names, query
        for name in names:
            family = re.sub(r"_bucket$", "", name)
            assert family in documented or name in recorded or name.startswith(NOT_OURS), (name, query)


def metrics_in(query: str) -> set[str]:
    """Names before a selector, a range or an end; labels and functions are none."""
    bare = re.sub(r'"[^"]*"', '""', query)
    bare = re.sub(r"\b(by|on|without|ignoring)\s*\([^)]*\)", "", bare)
    bare = re.sub(r"\{[^}]*\}", "{}", bare)
    words = re.findall(r"[a-zA-Z_:][\w:]*(?!\w|\s*\()", bare)
    return {word for word in words if word not in PROMQL and not re.fullmatch(r"[smhd]", word)}


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
