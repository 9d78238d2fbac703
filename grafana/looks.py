"""What colours mean on every board: green needs nothing, orange a look, red somebody."""

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard

GOOD, LOOK, BAD, AWAY, PLAIN = "green", "orange", "red", "blue", "text"
# Names of series whose colour is theirs, whatever else is on the graph.
SERIES = {
    "ok": GOOD,
    "fired": GOOD,
    "failed": BAD,
    "missed": BAD,
    "unknown": "purple",
    "overlap": LOOK,
    "p50": GOOD,
    "p95": LOOK,
    "p99": BAD,
}
Steps = Sequence[tuple[float | None, str]]
"""Lower bounds in ascending order, each with the colour from there on; ``None`` begins."""

STATES = {"0": ("failed", BAD), "1": ("degraded", LOOK), "2": ("ok", GOOD)}
YES_IS_GOOD = {"0": ("no", BAD), "1": ("yes", GOOD)}
YES_IS_AWAY = {"0": ("no", PLAIN), "1": ("yes", AWAY)}
CONNECTED = {"0": ("away", BAD), "1": ("connected", GOOD)}

NEUTRAL: Steps = [(None, PLAIN)]
RATIO: Steps = [(None, BAD), (0.99, LOOK), (0.999, GOOD)]
BUDGET: Steps = [(None, BAD), (0.0, LOOK), (0.25, GOOD)]
NONE_IS_GOOD: Steps = [(None, GOOD), (1, BAD)]
SOME_IS_LOOK: Steps = [(None, GOOD), (1, LOOK)]


def thresholds(steps: Steps) -> builders.ThresholdsConfig:
    """The steps in absolute values."""
    made = [dashboard.Threshold(value=bound, color=color) for bound, color in steps]
    return builders.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(made)


def mappings(words: Mapping[str, tuple[str, str]]) -> list[dashboard.ValueMap]:
    """A word and a colour for each value."""
    results = {
        value: dashboard.ValueMappingResult(text=text, color=color, index=index)
        for index, (value, (text, color)) in enumerate(words.items())
    }
    return [dashboard.ValueMap(options=results)]


def override(identifier: str, value: object) -> dashboard.DynamicConfigValue:
    """One property of a field that differs from the panel's."""
    return dashboard.DynamicConfigValue(id_val=identifier, value=value)


def fixed(color: str) -> list[dashboard.DynamicConfigValue]:
    """A field of this colour."""
    return [override("color", {"mode": "fixed", "fixedColor": color})]
