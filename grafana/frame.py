"""What all boards have: links to each other that keep the variables, marks, time range and rows; and their JSON."""

import json
from collections.abc import Sequence
from typing import NamedTuple

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard

from grafana.annotations import marks
from grafana.panels import Panel
from grafana.variables import Variable

UIDS = {
    "cronprobe-overview": "Overview",
    "cronprobe-job": "Job",
    "cronprobe-agents": "Agents",
    "cronprobe-itself": "cronprobe itself",
}


class Row(NamedTuple):
    """Panels under a heading, laid out from left to right; a collapsed row asks nothing until it is opened."""

    title: str
    panels: Sequence[Panel]
    collapsed: bool = False


class Link(NamedTuple):
    """A link out of Grafana."""

    title: str
    about: str
    url: str


def board(
    uid: str,
    about: str,
    *,
    variables: Sequence[Variable],
    rows: Sequence[Row],
    alerts: str,
    links: Sequence[Link] = (),
    since: str = "now-1h",
) -> dashboard.Dashboard:
    """``alerts`` are matchers of the alerts that concern it; ``since`` is where its time range begins at first."""
    made = (
        builders.Dashboard(f"cronprobe: {UIDS[uid]}")
        .uid(uid)
        .description(about)
        .tags(["cronprobe"])
        .timezone("browser")
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .time(since, "now")
        .timepicker(builders.TimePicker().refresh_intervals(["5s", "10s", "30s", "1m", "5m", "15m", "1h"]))
        .refresh("30s")
        .editable()
        .version(1)
        .annotations(list(marks(alerts)))
        .variables(list(variables))
        .links([*(_to(other) for other in UIDS if other != uid), *map(_out, links)])
    )
    number = 0
    for row in rows:
        number += 1
        heading = builders.Row(row.title).id(number).collapsed(row.collapsed)
        for panel in row.panels:
            number += 1
            panel.build().id_val = number
            if row.collapsed:
                heading.with_panel(panel)
        made.with_row(heading)
        if not row.collapsed:
            for panel in row.panels:
                made.with_panel(panel)
    return made.build()


def text(made: dashboard.Dashboard) -> str:
    """The JSON that is committed, the same at every run."""
    return json.dumps(made, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _to(uid: str) -> builders.DashboardLink:
    link = builders.DashboardLink(UIDS[uid]).type(dashboard.DashboardLinkType.LINK).url(f"/d/{uid}")
    return link.icon("dashboard").tooltip("With the same variables and time").include_vars(True).keep_time(True)


def _out(link: Link) -> builders.DashboardLink:
    made = builders.DashboardLink(link.title).type(dashboard.DashboardLinkType.LINK).url(link.url)
    return made.icon("external link").tooltip(link.about).target_blank(True)
