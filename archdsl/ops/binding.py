"""Arguments in the text -> an operation, or the settings of a method.

Their count, names and types are checked here.

Ranges are the business of the operation itself (`__post_init__`), shapes of its `infer`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from difflib import get_close_matches
from functools import cache
from types import NoneType, UnionType
from typing import (
    Any,
    ClassVar,
    Literal,
    Protocol,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from archdsl.ops.base import OperationError
from archdsl.syntax.errors import hints


class Bound(Protocol):
    """A frozen dataclass whose fields are arguments in the text, after its keyword."""

    keyword: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]


B = TypeVar("B", bound=Bound)

LIMIT = 10**9
"""The largest number an argument may be, so that no size overflows further down."""

_NAMES = {int: "an integer", float: "a number", bool: "yes or no", str: "a text"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterInfo:
    """One argument that an operation takes.

    `kind` is its Python type; `choices` are the texts it may be, empty where any will do;
    `default` is meaningless where it is required.
    """

    name: str
    kind: type[int] | type[float] | type[bool] | type[str]
    choices: tuple[str, ...] = ()
    required: bool = True
    default: int | float | bool | str | None = None

    @property
    def expected(self) -> str:
        """What a reader should write: `an integer`, `one of "none", "sincos"`."""
        if self.choices:
            return "one of " + ", ".join(f'"{choice}"' for choice in self.choices)
        return _NAMES[self.kind]

    def __str__(self) -> str:
        if self.required or self.default is None:
            return self.name
        return f"{self.name}={show(self.default)}"


@cache
def signature(cls: type[Bound]) -> tuple[ParameterInfo, ...]:
    """The arguments of an operation, in the order in which they may be given by position."""
    hints = get_type_hints(cls)
    return tuple(_parameter(field, hints[field.name]) for field in fields(cls))


def bind(cls: type[B], positional: Sequence[object], keywords: Mapping[str, object]) -> B:
    """The operation with these arguments, or an OperationError that lists what it takes."""
    parameters = signature(cls)
    if len(positional) > len(parameters):
        raise _refuse(
            cls, "too many arguments", f"{len(positional)} arguments", f"at most {len(parameters)}"
        )
    given = dict(zip((p.name for p in parameters), positional, strict=False))
    for name, value in keywords.items():
        if name in given:
            raise _refuse(cls, f"{name} is given twice", f"{name}={show(value)}", f"one {name}")
        given[name] = value
    values: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.name in given:
            values[parameter.name] = _convert(cls, parameter, given.pop(parameter.name))
        elif parameter.required:
            raise _refuse(cls, f"{parameter.name} is missing", expected=parameter.expected)
    for name in given:
        raise _unknown(cls, name)
    return cls(**values)


def show(value: object) -> str:
    """A value as the language writes it."""
    match value:
        case bool():
            return "yes" if value else "no"
        case str():
            return f'"{value}"'
        case int() | float():
            return str(value) if abs(value) <= LIMIT else "a number beyond all limits"
        case _:
            return f"a {type(value).__name__.lower()}"


def takes(cls: type[Bound]) -> str:
    """What an operation takes, for hints: `conv(channels, k=1, s=1, ...)`."""
    return f"{cls.keyword}({', '.join(map(str, signature(cls)))})"


def _parameter(field: Field[Any], hint: Any) -> ParameterInfo:
    """The argument of one field, whose annotation is one of those that base.py names."""
    if get_origin(hint) in (Union, UnionType):
        (hint,) = (part for part in get_args(hint) if part is not NoneType)
    choices = get_args(hint) if get_origin(hint) is Literal else ()
    kind = str if choices else hint
    if kind not in _NAMES:
        raise OperationError(
            f"the operation declares {field.name} with a type that the language has not",
            found=str(hint),
            expected="int, float, bool, str or a Literal of texts",
        )
    default: Any = field.default
    return ParameterInfo(
        name=field.name,
        kind=kind,
        choices=choices,
        required=default is MISSING,
        default=None if default is MISSING else default,
    )


def _convert(cls: type[Bound], parameter: ParameterInfo, value: object) -> object:
    """The value in the parameter's type. An integer is a number; yes is not an integer."""
    if parameter.kind is float and type(value) is int and abs(value) <= LIMIT:
        return float(value)
    fits = type(value) is parameter.kind
    if not fits or (parameter.choices and value not in parameter.choices):
        message = f"{parameter.name} cannot be this value"
        raise _refuse(cls, message, show(value), parameter.expected, _near(value, parameter))
    if isinstance(value, int | float) and not abs(value) <= LIMIT:
        message = f"{parameter.name} is out of range"
        raise _refuse(cls, message, show(value), f"at most {LIMIT:,}")
    return value


def _near(value: object, parameter: ParameterInfo) -> str:
    close = get_close_matches(value, parameter.choices, 1) if isinstance(value, str) else []
    return f'did you mean "{close[0]}"?' if close else ""


def _unknown(cls: type[Bound], name: str) -> OperationError:
    names = [parameter.name for parameter in signature(cls)]
    close = get_close_matches(name, names, 1)
    hint = f"did you mean {close[0]}?" if close else ""
    expected = ", ".join(names) if names else "no arguments"
    return _refuse(cls, f"there is no argument {name}", name, expected, hint)


def _refuse(
    cls: type[Bound], message: str, found: str = "", expected: str = "", hint: str = ""
) -> OperationError:
    """An error about the arguments; its hint always ends with what the operation takes."""
    both = hints(hint, f"it is written {takes(cls)}")
    return OperationError(f"{cls.keyword}: {message}", found, expected, both)
