"""
JSON Schemas of what travels: plain data in which a Python type may stand for the schema that msgspec makes of it.

Serde's leniencies (structs as arrays, ``{"ip": null}`` for ``"ip"``) are accepted and not described.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

Schema = Any
"""A JSON Schema, a Python type, or a JSON Schema with Python types in it."""

TEXT: Schema = {"type": "string"}
UUID: Schema = {"type": "string", "format": "uuid"}
URL: Schema = {"type": "string", "format": "uri"}
WHOLE: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 0}
TIME_MS: Schema = {"type": "integer", "description": "ms since the Unix epoch"}
FLAG: Schema = {"type": "boolean"}
ANYTHING: Schema = {}


def record(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """An object with these members."""
    properties = {**required, **(optional or {})}
    return {"type": "object", "properties": properties, "required": list(required)}


def variant(name: str, payload: Schema) -> Schema:
    """An object with exactly one key."""
    return {**record({name: payload}), "additionalProperties": False}


def one_of(*schemas: Schema) -> Schema:
    """Exactly one of these."""
    return {"oneOf": list(schemas)}


def any_of(*schemas: Schema) -> Schema:
    """One of these or several."""
    return {"anyOf": list(schemas)}


def array(items: Schema) -> Schema:
    """A list of these."""
    return {"type": "array", "items": items}


def nullable(schema: Schema) -> Schema:
    """This, or null."""
    return any_of(schema, {"type": "null"})


def resolve(schema: Schema) -> tuple[Schema, dict[str, Schema]]:
    """The schema without Python types, and the components that it refers to."""
    types = list(dict.fromkeys(_types(schema)))
    made, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    return _replaced(schema, dict(zip(types, made, strict=True))), components


def _types(schema: Schema) -> Iterator[Any]:
    if isinstance(schema, dict):
        for value in schema.values():
            yield from _types(value)
    elif isinstance(schema, list | tuple):
        for value in schema:
            yield from _types(value)
    elif schema is not None and not isinstance(schema, str | int | float):
        yield schema


def _replaced(schema: Schema, made: Mapping[Any, Schema]) -> Schema:
    if isinstance(schema, dict):
        return {name: _replaced(value, made) for name, value in schema.items()}
    if isinstance(schema, list | tuple):
        return [_replaced(value, made) for value in schema]
    return schema if schema is None or isinstance(schema, str | int | float) else made[schema]
