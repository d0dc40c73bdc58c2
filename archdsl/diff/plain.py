"""Plain data read strictly: what JSON may hold, sort by sort.

`Malformed` says what was found and what belongs there; nothing else is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any as Json
from typing import Generic, TypeAlias, TypeVar

from archdsl.ir.graph import Static

T = TypeVar("T")
Decoder: TypeAlias = Callable[[Json], T]


class Malformed(Exception):
    """Data that is not what it should be."""


@dataclass(frozen=True, slots=True)
class Codec(Generic[T]):
    """How one sort of value is written and read."""

    encode: Callable[[T], Json]
    decode: Decoder[T]


def expect(value: Json, kind: type[T], what: str) -> T:
    """The value, if it is of that type; yes and no are no numbers."""
    if type(value) is not kind:
        raise Malformed(f"{shorten(value)} where {what} belongs")
    return value


def shorten(value: Json) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:37]}..."


def text(value: Json) -> str:
    return expect(value, str, "a text")


def integer(value: Json) -> int:
    if abs(expect(value, int, "an integer")) > 10**15:
        raise Malformed("an integer beyond all limits")
    return int(value)


def items(of: Decoder[T]) -> Decoder[tuple[T, ...]]:
    """A list of one sort of value."""
    return lambda value: tuple(of(item) for item in expect(value, list, "a list"))


integers = items(integer)
texts = items(text)


def static(value: Json) -> Static:
    if type(value) not in (int, float, bool, str):
        raise Malformed(f"{shorten(value)} where a number, a text or yes or no belongs")
    known: Static = value
    return known


def statics(value: Json) -> dict[str, Static]:
    data: dict[Json, Json] = expect(value, dict, "a set of named values")
    return {text(name): static(item) for name, item in data.items()}


def record(value: Json, /, **decoders: Decoder[Json]) -> dict[str, Json]:
    """The fields that are there, each decoded; others are refused."""
    data: dict[Json, Json] = expect(value, dict, "an object with fields")
    if unknown := [str(name) for name in data if name not in decoders]:
        raise Malformed(f"an unknown field {shorten(unknown[0])}")
    return {name: decoders[name](item) for name, item in data.items()}


def tagged(value: Json, decoders: Mapping[str, Decoder[T]], what: str) -> T:
    """The one value of an object with one field, by the field's name."""
    data: dict[Json, Json] = expect(value, dict, what)
    if len(data) != 1 or (tag := next(iter(data))) not in decoders:
        raise Malformed(f"{shorten(value)} where {what} belongs")
    return decoders[tag](data[tag])


def build(make: Callable[..., T], value: Json, /, **decoders: Decoder[Json]) -> T:
    """A value made from fields; what must be given and is not is an error."""
    given = record(value, **decoders)
    try:
        return make(**given)
    except TypeError as error:
        raise Malformed(f"a field is missing: {error}") from None
