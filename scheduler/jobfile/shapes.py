"""The JSON Schemas of values that stand in several places of a job file, and of those too long for a table."""

from protocol.schemas import Schema, array
from protocol.tasks import TASK_SCHEMA

_REFERENCE = r"\$\{.+\}"


def text(pattern: str | None = None) -> Schema:
    """A string; one that has to match ``pattern`` may hold a reference instead."""
    return {"type": "string"} if pattern is None else {"type": "string", "pattern": f"^({pattern})$|{_REFERENCE}"}


def closed(properties: dict[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    """A mapping with these keys and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def one_or_more(schema: Schema) -> Schema:
    """One, or a list of them."""
    return {"anyOf": [schema, {**array(schema), "minItems": 1}]}


DURATION = text("[0-9]{1,9}(ms|s|m|h|d)")
NAMES = {"pattern": "^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}$"}
LABELS: Schema = {"type": "object", "propertyNames": NAMES, "additionalProperties": text()}
USE = one_or_more(text())
TASK: Schema = TASK_SCHEMA
_STATUS: Schema = {"anyOf": [{"type": "integer", "minimum": 100, "maximum": 599}, text("[1-5]xx|[1-5][0-9][0-9]")]}
_DAYS = one_or_more(text())
_TIME = text("([01][0-9]|2[0-3]):[0-5][0-9]|24:00")
WEEKLY: Schema = {**array(closed({"days": _DAYS, "from": _TIME, "to": _TIME})), "minItems": 1}
WINDOWS: Schema = {**array(closed({"days": _DAYS, "from": text(), "to": text()})), "minItems": 1}
AGENTS: Schema = {
    "anyOf": [
        {"const": "all"},
        {**array(text()), "minItems": 1},
        closed(
            {
                "match": {"type": "object", "additionalProperties": one_or_more(text())},
                "count": {"type": "integer", "minimum": 1},
                "spread_by": text(),
            }
        ),
    ]
}
MATRIX: Schema = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {**array({"type": ["string", "number"]}), "minItems": 1},
}
EXPECT: Schema = closed(
    {
        "status": one_or_more(_STATUS),
        "body_regex": text(),
        "json": {"type": "object", "description": "Values by JMESPath expression."},
        "header": {"type": "object", "additionalProperties": text()},
        "latency": closed({"warn": DURATION, "fail": DURATION}),
        "cert_valid_for": DURATION,
        "loss": {"type": "number", "minimum": 0, "maximum": 100, "description": "Percent."},
    }
)
SLO: Schema = closed(
    {
        "objective": {"type": "number", "minimum": 1, "maximum": 99.999},
        "window": DURATION,
        "latency": DURATION,
    },
    ("objective", "window"),
)
ALERT: Schema = closed({"for": DURATION, "quorum": {"type": "integer", "minimum": 1}, "severity": text()})
AGENT: Schema = closed({"uuid": text(), "labels": LABELS, "enabled": {"type": "boolean"}}, ("uuid",))
