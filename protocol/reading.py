"""
How JSON becomes data here, by the habits of the peers' decoder (serde).

A struct is an object or an array of all its fields; a member given twice is refused; an enum is a string or an object
with one key. Everything raises ``Unreadable``. Nothing else in the project reads JSON from a peer by other rules.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec
from ada_url import URL
from msgspec import Meta, Raw

from protocol.errors import Unreadable

T = TypeVar("T")
Text = Raw | bytes
Reader = Callable[[Text], T]

U64_MAX = 2**64 - 1
_LONGEST_UUID = 45
_LONGEST_KEPT = 2_048
_SHOWN = 200
MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def plain(form: Any) -> Reader[Any]:
    """A reader of any type that msgspec knows, in its strict mode."""
    decode = msgspec.json.Decoder(form).decode

    def read(text: Text) -> Any:
        try:
            return decode(text)
        except MALFORMED as e:
            raise Unreadable(str(e)) from e

    return read


members: Reader[dict[str, Raw]] = plain(dict[str, Raw])
elements: Reader[list[Raw]] = plain(list[Raw])
string: Reader[str] = plain(str)
boolean: Reader[bool] = plain(bool)
number: Reader[float] = plain(float)
i64: Reader[int] = plain(Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)])
_natural: Reader[int] = plain(Annotated[int, Meta(ge=0)])


def u64(text: Text) -> int:
    """An unsigned 64-bit integer; ``5.0`` is none."""
    return check_u64(_natural(text))


def check_u64(value: int) -> int:
    """``value`` if it fits 64 unsigned bits, else ``Unreadable``."""
    if not 0 <= value <= U64_MAX:
        raise Unreadable(f"{value} does not fit an unsigned 64-bit integer")
    return value


def normal_uuid(text: str) -> str:
    """
    A UUID as lowercase hyphenated text.

    Accepted are hyphenated, 32 hex digits, ``{…}`` and ``urn:uuid:…``, in any case.
    """
    if len(text) > _LONGEST_UUID:
        raise Unreadable(f"UUID parsing failed: {len(text)} characters are no UUID")
    return _normal_uuid(text)


@lru_cache(maxsize=16_384)
def _normal_uuid(text: str) -> str:
    bare = text.removeprefix("urn:uuid:")
    if bare == text and text[:1] == "{" and text[-1:] == "}":
        bare = text[1:-1]
    hyphenated = len(bare) == 36 and [i for i, c in enumerate(bare) if c == "-"] == [8, 13, 18, 23]
    digits = bare.replace("-", "") if hyphenated else bare
    if len(digits) != 32 or not all(c in "0123456789abcdefABCDEF" for c in digits):
        raise Unreadable(f"UUID parsing failed: {text!r} is not a UUID")
    return str(UUID(hex=digits))


def uuid(text: Text) -> str:
    """A UUID in any of its forms, as lowercase hyphenated text."""
    return normal_uuid(string(text))


def normal_url(text: str) -> str:
    """An absolute URL in the form of the WHATWG URL standard, https://url.spec.whatwg.org/."""
    # Strangers' text is decoded before their token is looked at: what is long is not kept.
    return _normal_url(text) if len(text) <= _LONGEST_KEPT else _normal_url.__wrapped__(text)


@lru_cache(maxsize=4_096)
def _normal_url(text: str) -> str:
    try:
        return URL(text).href
    except ValueError as e:
        raise Unreadable(f"not an absolute URL: {text[:_SHOWN]!r}") from e


def url(text: Text) -> str:
    """An absolute URL, normalised."""
    return normal_url(string(text))


def optional(read: Reader[T]) -> Reader[T | None]:
    """``null``, or what ``read`` reads."""
    return lambda text: None if bytes(text) == b"null" else read(text)


def sequence(read: Reader[T]) -> Reader[tuple[T, ...]]:
    """An array whose elements ``read`` reads."""
    return lambda text: tuple(read(element) for element in elements(text))


def nothing(text: Text) -> None:
    """``null``: the payload of a unit variant in its object form."""
    if bytes(text) != b"null":
        raise Unreadable(f"expected null, found {bytes(text)[:40]!r}")


def struct(form: type[T], extensions: int = 0) -> Reader[T]:
    """
    A msgspec struct from an object (unknown members ignored, known ones at most once) or from an array of all fields.

    The last ``extensions`` fields are ours: the array form does not have them. Rules on values stand in the struct's
    own ``__post_init__``.
    """
    read_object: Reader[T] = plain(form)
    fields = msgspec.structs.fields(form)  # type: ignore[arg-type]
    names = tuple(field.encode_name for field in fields)[: len(fields) - extensions]
    once = tuple(_quoted(name) for name in names)

    def read(text: Text) -> T:
        raw = bytes(text)
        if raw[:1] == b"[":
            values = elements(raw)
            if len(values) != len(names):
                raise Unreadable(f"expected an array of {len(names)} elements, found {len(values)}")
            return read_object(msgspec.json.encode(dict(zip(names, values, strict=True))))
        if is_suspect(raw, once):
            refuse_repeats(raw, names)
        return read_object(raw)

    return read


def tagged(variants: Mapping[str, Reader[T]], units: Mapping[str, T]) -> Reader[tuple[str, T]]:
    """
    An enum value as (variant, payload): a string for the variants of ``units``, else an object with exactly one key.
    """

    def read(text: Text) -> tuple[str, T]:
        raw = bytes(text)
        if raw[:1] == b'"':
            name = string(raw)
            if name in units:
                return name, units[name]
            raise Unreadable(_unknown(name, variants, units))
        entries = members(raw)
        if len(entries) != 1:
            raise Unreadable(f"expected an object with exactly one key, found {len(entries)}")
        [(name, payload)] = entries.items()
        if name not in variants and name not in units:
            raise Unreadable(_unknown(name, variants, units))
        if is_suspect(raw, (_quoted(name),)):
            refuse_repeats(raw, (name,))
        if name in variants:
            return name, variants[name](payload)
        nothing(payload)
        return name, units[name]

    return read


def _unknown(name: str, variants: Mapping[str, Any], units: Mapping[str, Any]) -> str:
    if name in variants:
        return f"variant `{name}` needs a payload"
    return f"unknown variant `{name[:_SHOWN]}`, expected one of " + ", ".join(f"`{v}`" for v in [*variants, *units])


def refuse_repeats(text: Text, names: Iterable[str]) -> None:
    """Raise ``Unreadable`` when the object ``text`` has one of ``names`` twice."""
    repeats = repeated(text, names)
    if repeats:
        raise Unreadable(f"duplicate field `{sorted(repeats)[0]}`")


def repeated(text: Text, names: Iterable[str]) -> set[str]:
    """Those of ``names`` that the object ``text`` has twice or more; what is no object has none."""
    raw = bytes(text)
    names = tuple(names)
    if not is_suspect(raw, [_quoted(name) for name in names]):
        return set()
    # The hook is called for inner objects first: the last list it sees is that of the outermost object.
    pairs: list[list[tuple[str, Any]]] = []
    try:
        json.loads(raw, object_pairs_hook=pairs.append)
    except (ValueError, RecursionError) as e:
        raise Unreadable(str(e)) from e
    found = [key for key, _ in pairs[-1]] if pairs else []
    return {name for name in names if found.count(name) > 1}


def is_suspect(raw: bytes, once: Iterable[bytes], objects: int = 1) -> bool:
    """
    Whether one of the ``objects`` in ``raw`` may have a member twice: too many of a quoted name, or an escape that
    could hide one.

    Counting in the bytes is a hundred times faster than a second parse and can only err towards suspicion.
    """
    if b"\\u00" in raw:
        return True
    for name in once:  # noqa: SIM110 a generator would cost half of the way of an upload
        if raw.count(name) > objects:
            return True
    return False


@lru_cache(maxsize=1_024)
def _quoted(name: str) -> bytes:
    return msgspec.json.encode(name)
