"""
The JSON Schema of job files, made from the table of keys that loads them, for editors that check while one types.

It says what may stand where; what keys mean to each other only ``load`` knows.
"""

from collections.abc import Collection
from typing import Any

from protocol.schemas import Schema, resolve
from scheduler.jobfile import shapes
from scheduler.jobfile.job import NOT_SHARED
from scheduler.jobfile.keys import ABSENT, KEYS

_VERSION_META = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The schema as plain data."""
    job, shared = _fragment(()), {where: _fragment(left_out) for where, left_out in NOT_SHARED.items()}
    whole = shapes.closed(
        {
            "version": {"const": 1},
            "defaults": {**shared["defaults"], "description": "Keys that jobs have unless they have their own."},
            "agents": _named(shapes.AGENT, "Names for the UUIDs of agents."),
            "profiles": _named(shared["profiles"], "Fragments of jobs, taken with use."),
            "jobs": _named(job, "The jobs; a name is the cron_source of all that its job produces."),
        }
    )
    found, components = resolve(whole)
    meta = {"$schema": _VERSION_META, "title": "cronprobe job file"}
    return {**meta, **found, "components": {"schemas": components}}


def _fragment(left_out: Collection[str]) -> Schema:
    return shapes.closed(
        {key: {**row.schema, "description": _described(key)} for key, row in KEYS.items() if key not in left_out}
    )


def _described(key: str) -> str:
    row = KEYS[key]
    given = row.absent is not ABSENT and isinstance(row.absent, str)
    return f"{row.meaning} Default: {row.absent}." if given else row.meaning


def _named(schema: Schema, meaning: str) -> Schema:
    return {"type": "object", "propertyNames": shapes.NAMES, "additionalProperties": schema, "description": meaning}
