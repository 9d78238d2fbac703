"""
The kinds of panel that the boards are made of, each with what no panel may lack.

``title`` says what it shows, ``about`` says that at length and what to do when it looks bad, ``empty`` is what stands
there when nothing was found. Widths are in the 24 columns of a board. A new kind is a function here.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from grafana_foundation_sdk.builders import common, heatmap, prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat, QueryEditorMode

from grafana import looks
from grafana.queries import Query
from grafana.variables import SOURCE

Panel = Builder[dashboard.Panel]
_P = TypeVar("_P", timeseries.Panel, stat.Panel, statetimeline.Panel, heatmap.Panel)
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def targets(
    queries: Sequence[Query], *, instant: bool = False, form: PromQueryFormat = PromQueryFormat.TIME_SERIES
) -> list[prometheus.Dataquery]:
    """The queries as Grafana sends them, lettered in their order."""
    made = []
    for letter, query in zip(_LETTERS, queries, strict=False):
        target = (
            prometheus.Dataquery()
            .ref_id(letter)
            .datasource(SOURCE)
            .editor_mode(QueryEditorMode.CODE)
            .expr(query.text)
            .legend_format(query.legend)
            .format(form)
        )
        made.append(target.instant() if instant else target.range())
    return made


def graph(
    title: str,
    about: str,
    queries: Sequence[Query],
    *,
    unit: str,
    empty: str,
    width: int = 8,
    low: float | None = 0,
    high: float | None = None,
    steps: looks.Steps | None = None,
    stacked: bool = False,
    bars: bool = False,
) -> Panel:
    """Lines over time, or bars; ``steps`` are drawn as dashed lines."""
    legend = common.VizLegendOptions().display_mode(kinds.LegendDisplayMode.TABLE)
    panel = (
        _framed(timeseries.Panel(), title, about, unit=unit, empty=empty, width=width, height=8)
        .targets(list(targets(queries)))
        .legend(legend.placement(kinds.LegendPlacement.BOTTOM).show_legend(True).calcs(["lastNotNull", "mean", "max"]))
        .tooltip(_tooltip())
        .line_width(1)
        .fill_opacity(70 if bars or stacked else 8)
        .draw_style(kinds.GraphDrawStyle.BARS if bars else kinds.GraphDrawStyle.LINE)
        .show_points(kinds.VisibilityMode.AUTO)
        .color_scheme(builders.FieldColor().mode(dashboard.FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
    )
    if low is not None:
        panel.min(low)
    if high is not None:
        panel.max(high)
    if stacked:
        panel.stacking(common.StackingConfig().mode(kinds.StackingMode.NORMAL).group("A"))
    if steps is not None:
        dashed = common.GraphThresholdsStyleConfig().mode(kinds.GraphThresholdsStyleMode.DASHED)
        panel.thresholds(looks.thresholds(steps)).thresholds_style(dashed)
    for name, color in looks.SERIES.items():
        panel.override_by_name(name, looks.fixed(color))
    return panel


def numbers(
    title: str,
    about: str,
    queries: Sequence[Query],
    *,
    unit: str,
    empty: str,
    width: int = 4,
    low: float | None = 0,
    high: float | None = None,
    steps: looks.Steps = looks.NEUTRAL,
    words: Mapping[str, tuple[str, str]] | None = None,
    decimals: int | None = None,
    height: int = 4,
) -> Panel:
    """What is now, large; ``words`` stand in place of values."""
    panel = (
        _framed(stat.Panel(), title, about, unit=unit, empty=empty, width=width, height=height)
        .targets(list(targets(queries, instant=True)))
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .color_mode(kinds.BigValueColorMode.VALUE)
        .graph_mode(kinds.BigValueGraphMode.NONE)
        .text_mode(kinds.BigValueTextMode.AUTO)
        .color_scheme(builders.FieldColor().mode(dashboard.FieldColorModeId.THRESHOLDS))
        .thresholds(looks.thresholds(steps))
    )
    if low is not None:
        panel.min(low)
    if high is not None:
        panel.max(high)
    if words is not None:
        panel.mappings(list(looks.mappings(words)))
    if decimals is not None:
        panel.decimals(decimals)
    return panel


def timeline(
    title: str,
    about: str,
    queries: Sequence[Query],
    *,
    empty: str,
    words: Mapping[str, tuple[str, str]] | None = None,
    steps: looks.Steps = looks.NEUTRAL,
    width: int = 24,
    height: int = 8,
) -> Panel:
    """A bar for each series, coloured by its value."""
    panel = (
        _framed(statetimeline.Panel(), title, about, unit="none", empty=empty, width=width, height=height)
        .targets(list(targets(queries)))
        .merge_values(True)
        .show_value(kinds.VisibilityMode.NEVER if words else kinds.VisibilityMode.AUTO)
        .row_height(0.85)
        .per_page(25)
        .line_width(0)
        .fill_opacity(80)
        .legend(common.VizLegendOptions().display_mode(kinds.LegendDisplayMode.LIST).show_legend(True))
        .tooltip(_tooltip())
        .color_scheme(builders.FieldColor().mode(dashboard.FieldColorModeId.THRESHOLDS))
        .thresholds(looks.thresholds(steps))
        .min(0)
    )
    if words is not None:
        panel.mappings(list(looks.mappings(words)))
    return panel


def buckets(title: str, about: str, histogram: str, *, empty: str, width: int = 12) -> Panel:
    """
    A heat map of a histogram of seconds, with exemplars where Prometheus keeps them; ``histogram`` is its name with
    ``_bucket`` and its selector.
    """
    query = Query(f"sum by (le) (increase({histogram}[$__rate_interval]))", "{{le}}")
    colors = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges").steps(64).exponent(0.5)
    return (
        _framed(heatmap.Panel(), title, about, unit="s", empty=empty, width=width, height=8)
        .targets([target.exemplar(True) for target in targets([query], form=PromQueryFormat.HEATMAP)])
        .calculate(False)
        .color(colors.fill("dark-orange").reverse(False))
        .filter_values(heatmap.FilterValueRange().le(1e-9))
        .rows_frame(heatmap.RowsHeatmapOptions().layout(kinds.HeatmapCellLayout.AUTO))
        .y_axis(heatmap.YAxisConfig().unit("s").axis_placement(kinds.AxisPlacement.LEFT).reverse(False).min(0))
        .cell_values(heatmap.CellValues().unit("short"))
        .cell_gap(1)
        .scale_distribution(common.ScaleDistributionConfig().type(kinds.ScaleDistribution.LINEAR))
        .show_legend()
        .show_y_histogram()
        .mode(kinds.TooltipDisplayMode.SINGLE)
        .min(0)
    )


def _framed(panel: _P, title: str, about: str, *, unit: str, empty: str, width: int, height: int) -> _P:
    framed = panel.title(title).description(about).datasource(SOURCE)
    return framed.unit(unit).no_value(empty).span(width).height(height)


def _tooltip() -> common.VizTooltipOptions:
    return common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI).sort(kinds.SortOrder.DESCENDING)
