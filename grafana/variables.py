"""The variables of the boards. Links carry them to other boards by name, so a name means the same everywhere."""

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard

SOURCE = dashboard.DataSourceRef(type_val="prometheus", uid="${datasource}")
Variable = Builder[dashboard.VariableModel]
_ALL = dashboard.VariableOption(selected=True, text=["All"], value=["$__all"])
_WINDOWS = ("1m", "5m", "15m", "1h", "6h", "1d")
_WINDOW = "5m"


def data_source() -> Variable:
    """Which Prometheus; that of ``grafana/provisioning``, or the first one where it is unknown."""
    return (
        builders.DatasourceVariable("datasource")
        .label("Data source")
        .description("The Prometheus that scrapes cronprobe")
        .type("prometheus")
        .current(dashboard.VariableOption(selected=True, text="Prometheus", value="prometheus"))
    )


def choice(name: str, label: str, values: str) -> builders.QueryVariable:
    """One of the values of a label."""
    return (
        builders.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query({"query": values, "refId": f"variable-{name}", "qryType": 1})
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
    )


def listed(name: str, label: str, values: str) -> builders.QueryVariable:
    """Several at once, or all that are listed."""
    return choice(name, label, values).multi(True).include_all(True).current(_ALL)


def choices(name: str, label: str, values: str) -> builders.QueryVariable:
    """Several at once, or any value at all."""
    return listed(name, label, values).all_value(".*")


def jobs() -> Variable:
    """Several jobs."""
    return choices("cron_source", "Job", "label_values(cronprobe_runs_total, cron_source)")


def job() -> Variable:
    """Just one job, for the board that is about one."""
    return choice("cron_source", "Job", "label_values(cronprobe_runs_total, cron_source)")


def agents() -> Variable:
    """Agents that run the chosen jobs."""
    return choices("agent", "Agent", 'label_values(cronprobe_runs_total{cron_source=~"$cron_source"}, agent)')


def types() -> Variable:
    """Task types of the chosen jobs and agents."""
    chosen = 'cronprobe_runs_total{cron_source=~"$cron_source",agent=~"$agent"}'
    return choices("type", "Type", f"label_values({chosen}, type)")


def window() -> Variable:
    """What ratios and percentiles look back on: a job that runs every hour needs more than one of five minutes."""
    options = [dashboard.VariableOption(selected=size == _WINDOW, text=size, value=size) for size in _WINDOWS]
    return (
        builders.IntervalVariable("window")
        .label("Window")
        .description("What ratios, percentiles and counts look back on; take at least four periods of the job")
        .values(",".join(_WINDOWS))
        .options(options)
        .current(options[_WINDOWS.index(_WINDOW)])
    )


def text(name: str, label: str, description: str, default: str = "") -> Variable:
    """What somebody types."""
    option = dashboard.VariableOption(selected=True, text=default, value=default)
    return (
        builders.TextBoxVariable(name)
        .label(label)
        .description(description)
        .default_value(default)
        .current(option)
        .options([option])
    )
