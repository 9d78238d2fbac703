"""Tables: one row for each set of labels, a column for each label that is named and one for each query."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from grafana_foundation_sdk.builders import common
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana import looks
from grafana.panels import Panel, targets
from grafana.queries import Query
from grafana.variables import SOURCE

_KEPT = "datasource:queryparam", "agent:queryparam", "type:queryparam", "__url_time_range"


class Column(NamedTuple):
    """What a query finds, under a heading. ``words`` stand in place of values."""

    heading: str
    query: str
    unit: str = "short"
    decimals: int | None = None
    steps: looks.Steps | None = None
    words: Mapping[str, tuple[str, str]] | None = None


def table(
    title: str,
    about: str,
    labels: Mapping[str, str],
    columns: Sequence[Column],
    *,
    empty: str,
    sort: str,
    descending: bool = False,
    hidden: Sequence[str] = (),
    width: int = 24,
    height: int = 9,
) -> Panel:
    """
    ``labels`` are the columns of labels in their order with their headings; ``hidden`` are labels and values that have
    no column. A cell that nothing was found for has a dash. A column ``Job`` leads to the job's board, a column
    ``Agent`` to that of the agents.
    """
    names = [*labels, *(_value(index, columns) for index in range(len(columns)))]
    headings = [*labels.values(), *(column.heading for column in columns)]
    order = {
        "excludeByName": {"Time": True, **dict.fromkeys(hidden, True)},
        "indexByName": {name: index for index, name in enumerate(names)},
        "renameByName": dict(zip(names, headings, strict=True)),
    }
    queries = [Query(column.query) for column in columns]
    panel = (
        tables.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit("short")
        .no_value(empty)
        .span(width)
        .height(height)
        .targets(list(targets(queries, instant=True, form=PromQueryFormat.TABLE)))
        .with_transformation(dashboard.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(dashboard.DataTransformerConfig(id_val="organize", options=order))
        .cell_height(kinds.TableCellHeight.SM)
        .show_header(True)
        .filterable(True)
        .sort_by([common.TableSortByFieldState().display_name(sort).desc(descending)])
        .thresholds(looks.thresholds(looks.NEUTRAL))
        .color_scheme(builders.FieldColor().mode(dashboard.FieldColorModeId.THRESHOLDS))
        .min(0)
    )
    known = {column.heading: _properties(column) for column in columns}
    for heading in headings:
        link = [looks.override("links", [_LINKS[heading]])] if heading in _LINKS else []
        panel.override_by_name(heading, [looks.override("noValue", "–"), *known.get(heading, []), *link])
    return panel


def _value(index: int, columns: Sequence[Column]) -> str:
    """What Grafana calls the value of a query: it names the letter where there are several."""
    return f"Value #{chr(ord('A') + index)}" if len(columns) > 1 else "Value"


def _properties(column: Column) -> list[dashboard.DynamicConfigValue]:
    properties = [looks.override("unit", column.unit)]
    if column.decimals is not None:
        properties.append(looks.override("decimals", column.decimals))
    if column.words is not None:
        properties.append(looks.override("mappings", looks.mappings(column.words)))
    if column.steps is not None:
        properties.append(looks.override("thresholds", looks.thresholds(column.steps).build()))
    if column.words is not None or column.steps is not None:
        properties.append(looks.override("custom.cellOptions", {"type": "color-text"}))
    return properties


def _link(title: str, uid: str, variable: str, kept: Sequence[str]) -> dict[str, object]:
    parameters = "&".join(f"${{{name}}}" for name in kept)
    return {"title": title, "url": f"/d/{uid}?var-{variable}=${{__value.raw:percentencode}}&{parameters}"}


_LINKS = {
    "Job": _link("The board of this job", "cronprobe-job", "cron_source", _KEPT),
    "Agent": _link(
        "The board of the agents", "cronprobe-agents", "agent", ("datasource:queryparam", "__url_time_range")
    ),
}
