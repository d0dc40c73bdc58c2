"""Numbers that differ between the uses of a class, as parameters with names.

All uses of a class are rows, the places of numbers in its `__init__` are columns. A column of
one value stays a literal. Other columns become parameters, named by their role; equal columns
share one, and a column that is a plain function of others (`size * size`, `2 * dim`,
`kernel // 2`) is written so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from archdsl.codegen.literals import Table, literal
from archdsl.codegen.modules import Slot
from archdsl.codegen.naming import VARIABLES, Taken, safe

Number: TypeAlias = int | float | bool
Values: TypeAlias = tuple[Any, ...]
"""Numbers, or tables of them: one for each row."""

# Roles that measure the same thing; only within one family, and along the laws below, is a
# number taken for a function of another: anything else would be a coincidence.
FAMILIES = (
    (
        "dim",
        "in_channels",
        "out_channels",
        "in_features",
        "out_features",
        "channels",
        "features",
        "hidden",
        "groups",
    ),
    ("size", "height", "width", "positions", "tokens"),
    ("kernel", "padding"),
)
BASES = (
    "dim",
    "in_channels",
    "out_channels",
    "in_features",
    "out_features",
    "size",
    "kernel",
    "dilation",
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a class, with its value in each row."""

    name: str
    values: Values
    role: str
    default: Number | None = None
    """What callers may leave away, where torch has such a default too."""

    @property
    def annotation(self) -> str:
        if isinstance(self.values[0], Table):
            return self.values[0].annotation
        kinds = {type(value) for value in self.values}
        if kinds == {bool}:
            return "bool"
        return "int" if kinds == {int} else "float"

    @property
    def declaration(self) -> str:
        default = "" if self.default is None else f" = {literal(self.default)}"
        return f"{self.name}: {self.annotation}{default}"


@dataclass(slots=True)
class Parameters:
    """The parameters of a class and, for every column, the expression that is written."""

    parameters: list[Parameter] = field(default_factory=list)
    expressions: list[str] = field(default_factory=list)


SHORTEST = 3
"""Names of the text that are shorter say little to a reader of the code: `c`, `k`."""


@dataclass(slots=True)
class _Column:
    values: Values
    roles: dict[str, None] = field(default_factory=dict)
    defaults: set[Number | str | None] = field(default_factory=set)
    first: int = 0
    leaves: int = -1
    """The last place where this many channels go out."""
    words: dict[str, None] = field(default_factory=dict)
    """What classes of the file call this number."""
    said: list[str] = field(default_factory=list)
    """What the text calls it."""

    @property
    def default(self) -> Number | None:
        """The default of every slot, where one of the values is that."""
        (only, *more) = self.defaults
        return only if not more and not isinstance(only, str) and only in self.values else None


def parametrise(
    columns: Sequence[Sequence[Slot]], written: Mapping[str, Values] | None = None
) -> Parameters:
    """Parameters for the slots of a class, one column for each slot, one row for each use.

    `written` are the numbers that the text gives to the uses, under their names there.
    """
    found: dict[object, _Column] = {}
    keys: list[object] = []
    for position, column in enumerate(columns):
        values = tuple(slot.value for slot in column)
        key = _key(column)
        keys.append(key)
        if key is not None:
            numbers = tuple(v for v in values if isinstance(v, int | float | Table))
            known = found.setdefault(key, _Column(numbers, first=position))
            known.roles |= dict.fromkeys(slot.role for slot in column)
            known.defaults.add(column[0].default)
            known.words |= {slot.keyword: None for slot in column if slot.ours}
            if column[0].role in OUT:
                known.leaves = position
    for known in found.values():
        known.said = [name for name, values in (written or {}).items() if values == known.values]
    named = _name(found)
    result = Parameters(parameters=[p for _, p in named.values() if p is not None])
    for key, column in zip(keys, columns, strict=True):
        result.expressions.append(literal(column[0].value) if key is None else named[key][0])
    return result


def _key(column: Sequence[Slot]) -> object | None:
    """What equal columns share; None where the value is one and the same."""
    values = tuple((type(slot.value), slot.value) for slot in column)
    return None if len(set(values)) == 1 else (_family(column[0].role), values)


def _family(role: str) -> object:
    return next((family for family in FAMILIES if role in family), role)


def _name(found: dict[object, _Column]) -> dict[object, tuple[str, Parameter | None]]:
    """For every column its expression, and the parameter where it is one."""
    # Which columns are parameters does not depend on names, but their names depend on that.
    bases = [found[key] for key, (_, known) in _named(found, _Ends()).items() if known is not None]
    return _named(found, _ends(bases, found.values()))


@dataclass(frozen=True, slots=True)
class _Ends:
    """What a class does with channels. `two`: it takes one number of them and gives another;
    `last`: the place where they go out last; `gated`: halves of what went out before (a gate
    takes the other half), with the place where that was."""

    two: bool = False
    last: int = -1
    gated: tuple[tuple[Values, int], ...] = ()


def _named(found: dict[object, _Column], ends: _Ends) -> dict[object, tuple[str, Parameter | None]]:
    taken = Taken()
    result: dict[object, tuple[str, Parameter | None]] = {}
    bases: list[tuple[_Column, Parameter]] = []
    for key, column in sorted(found.items(), key=lambda item: _rank(item[1])):
        expression = _derive(column, bases)
        if expression:
            result[key] = (expression, None)
            continue
        role = _role(column, ends)
        said = [word for word in column.said if len(word) >= SHORTEST]
        wanted = [*said, role] if role == "hidden" else [role, *said]
        wanted += [*column.words, role]
        name = taken.claim(*(safe(word, VARIABLES - {"ratio"}) for word in wanted))
        parameter = Parameter(name, column.values, role, column.default)
        bases.append((column, parameter))
        result[key] = (name, parameter)
    return dict(sorted(result.items(), key=lambda item: _order(found[item[0]])))


INTO = frozenset({"in_channels", "in_features"})
OUT = frozenset({"out_channels", "out_features"})


def _ends(columns: Iterable[_Column], written: Iterable[_Column]) -> _Ends:
    ends = [column for column in columns if column.roles.keys() & (INTO | OUT)]
    out = [column for column in written if column.roles.keys() <= OUT]
    return _Ends(
        len(ends) > 1,
        max((column.leaves for column in ends), default=-1),
        tuple((tuple(value / 2 for value in column.values), column.first) for column in out),
    )


def _role(column: _Column, ends: _Ends) -> str:
    """The name that says best what a number is."""
    roles = list(column.roles)
    own = [role for role in roles if role in INTO | OUT]
    through = bool(INTO & set(roles) and OUT & set(roles))
    if ends.two and own:
        if _hidden(column, own, ends):
            return "hidden"
        if through and own[0] in INTO and column.leaves == ends.last:
            return "dim"
        # What goes out of one part goes into the next: it is the class's output all the same.
        return next((role for role in own if role in OUT), own[0])
    if through:
        return "dim"
    return min(roles, key=lambda role: BASES.index(role) if role in BASES else 99)


def _hidden(column: _Column, own: Sequence[str], ends: _Ends) -> bool:
    """Whether channels go out of one part and into the next, and are not the class's last."""
    if OUT & set(own):
        return own[0] in OUT and bool(INTO & set(own)) and column.leaves != ends.last
    return any(half == column.values and place < column.first for half, place in ends.gated)


def _rank(column: _Column) -> tuple[int, int]:
    """Bases first: other columns are written as functions of them."""
    ranks = [BASES.index(role) for role in column.roles if role in BASES]
    return (min(ranks, default=99), column.first)


def _order(column: _Column) -> tuple[int, int, int]:
    """Channels, in before out, then sizes, then the rest, then what has a default."""
    role = next(iter(column.roles))
    families = [i for i, family in enumerate(FAMILIES) if role in family]
    rank = min(families, default=len(FAMILIES))
    own = [role for role in column.roles if role in INTO | OUT]
    into = 1 if own and own[0] in OUT else 0
    last = 0 if column.default is None else len(FAMILIES) + 1
    return (rank + last, into, column.first)


def _derive(column: _Column, bases: Sequence[tuple[_Column, Parameter]]) -> str:
    """The column as a function of the parameters so far, or nothing."""
    roles = set(column.roles)
    for base, parameter in bases:
        law = _law(roles, set(base.roles), column.values, parameter.values)
        if law:
            return law.format(parameter.name)
    if roles & {"dim", "hidden", "channels", "features"}:
        for i, (_, first) in enumerate(bases):
            for _, second in bases[i + 1 :]:
                if _family(first.name) != FAMILIES[0] or _family(second.name) != FAMILIES[0]:
                    continue
                pairs = zip(column.values, first.values, second.values, strict=True)
                if all(value == a + b for value, a, b in pairs):
                    return f"{first.name} + {second.name}"
    return ""


def _law(roles: set[str], base: set[str], values: Values, given: Values) -> str:
    pairs = list(zip(values, given, strict=True))
    if any(type(value) is not int for pair in pairs for value in pair):
        return ""
    if "positions" in roles and "size" in base and all(v == n * n for v, n in pairs):
        return "{0} * {0}"
    if "padding" in roles and "kernel" in base and all(v == n // 2 for v, n in pairs):
        return "{0} // 2"
    if "padding" in roles and "dilation" in base and values == given:
        return "{0}"
    ends = {"in_channels", "out_channels", "in_features", "out_features"}
    if _family(next(iter(roles))) != FAMILIES[0] or _family(next(iter(base))) != FAMILIES[0]:
        return ""
    through = bool(base & INTO and base & OUT)  # what comes in also goes out: the class's own width
    if roles & ends and base & ends and not through:
        gated = roles <= OUT and "dim" in base and all(v == 2 * n for v, n in pairs)
        return "2 * {0}" if gated else ""
    for factor in (2, 3, 4, 6, 8):
        if all(v == factor * n for v, n in pairs):
            return f"{factor} * {{0}}"
        if all(n == factor * v for v, n in pairs):
            return f"{{0}} // {factor}"
    return ""
