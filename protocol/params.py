"""
How the parameters of a call are read from JSON: by position (surplus ignored) or by name (snake_case or lowerCamelCase,
unknown ignored), into the struct of their method.
"""

import typing
from collections.abc import Callable, Hashable
from functools import cache
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from protocol.errors import InvalidParams, Unreadable
from protocol.reading import Reader, Text, elements, members, plain, refuse_repeats, u64, uuid
from protocol.schemas import COUNT, UUID, Schema

T = TypeVar("T")


class ReadBy(Struct, frozen=True):
    """Marks a parameter whose JSON is read by a function of ours instead of msgspec, and says what it may be."""

    read: Callable[[Text], Any]
    schema: Schema


Uuid = Annotated[str, ReadBy(uuid, UUID)]
U64 = Annotated[int, ReadBy(u64, COUNT)]


class NoParams(Struct, frozen=True):
    """For methods without parameters, which ignore whatever is given."""


class Parameter(Struct, frozen=True):
    """One parameter of a method: how it is read, what it may be, and whether it may be absent."""

    name: str
    read: Reader[Any]
    schema: Schema
    optional: bool


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def parameters_of(form: type[Any]) -> tuple[Parameter, ...]:
    """The parameters of a method, in their order."""
    return _parameters_of(typing.cast(Hashable, form))


@cache
def _parameters_of(form: Any) -> tuple[Parameter, ...]:
    hints = typing.get_type_hints(form, include_extras=True)
    fields = {field.name: field for field in msgspec.structs.fields(form)}
    parameters = []
    for name, hint in hints.items():
        marks = [mark for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, ReadBy)]
        read, schema = (marks[0].read, marks[0].schema) if marks else (plain(hint), hint)
        parameters.append(Parameter(name, read, schema, not fields[name].required))
    return tuple(parameters)


def read_params(form: type[T], text: Raw | None) -> T:
    """
    The parameters of a call, from the JSON of ``params``; ``None`` when that is absent or null.

    Raises:
        InvalidParams: they cannot be decoded.
    """
    parameters = parameters_of(form)
    if not parameters:
        return form()
    try:
        given = _by_name(parameters, text) if _is_object(text) else _by_position(parameters, text)
        return form(**given)
    except Unreadable as e:
        raise InvalidParams(str(e)) from e


def _is_object(text: Raw | None) -> bool:
    return text is not None and bytes(text)[:1] == b"{"


def _by_position(parameters: tuple[Parameter, ...], text: Raw | None) -> dict[str, Any]:
    given = [] if text is None else elements(text)
    values: dict[str, Any] = {}
    for index, parameter in enumerate(parameters):
        if index < len(given):
            values |= _value(parameter, given[index])
        elif not parameter.optional:
            raise Unreadable("No more params")
    return values


def _by_name(parameters: tuple[Parameter, ...], text: Raw | None) -> dict[str, Any]:
    given = members(text or b"{}")
    values: dict[str, Any] = {}
    for parameter in parameters:
        spellings = {parameter.name, _camel(parameter.name)}
        refuse_repeats(text or b"{}", spellings)
        found = [given[spelling] for spelling in spellings if spelling in given]
        if len(found) > 1:
            raise Unreadable(f"duplicate field `{parameter.name}`")
        if not found and not parameter.optional:
            raise Unreadable(f"missing field `{parameter.name}`")
        if found:
            values |= _value(parameter, found[0])
    return values


def _value(parameter: Parameter, text: Raw) -> dict[str, Any]:
    """The parameter by its name; an optional one that is null is as if it was absent."""
    if parameter.optional and bytes(text) == b"null":
        return {}
    return {parameter.name: parameter.read(text)}
