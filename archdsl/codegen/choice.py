"""The `Choice` of a supernet: its types, and its values for architectures.

Every definition that decides something has a NamedTuple: its own holes in order, then what is
decided below it. A cell is decided once, so its choice is one field wherever it is used; a
block is decided anew at each use, so its field holds one choice a use. A module that decides
nothing and has one choice below it passes that choice through.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from archdsl.codegen.conditions import hole_values
from archdsl.codegen.naming import Taken, camel, field_name
from archdsl.ir.graph import Graph, Hole, Invoke, Path, Program
from archdsl.ir.resolve import Assignment
from archdsl.ir.scopes import ScopeKey, inner_scope, qualify
from archdsl.syntax.tree import ModuleKind, Quantity

Use: TypeAlias = tuple[str, Path]
"""A use of a module: the key of the graph that it stands in, and its path there."""
ValueOf: TypeAlias = Callable[[Hole, str], object]


@dataclass(frozen=True, slots=True)
class HoleField:
    """What one hole takes."""

    name: str
    hole: Hole


@dataclass(frozen=True, slots=True)
class InnerField:
    """What is decided below: one choice, or for a block used several times one for each use."""

    name: str
    inner: Choices
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Choices:
    """One NamedTuple of a generated supernet."""

    definition: str
    fields: tuple[HoleField | InnerField, ...]
    of_hole: Mapping[str, str] = field(init=False, compare=False, repr=False)
    """The field of each hole that has one."""

    def __post_init__(self) -> None:
        named = {part.hole.name: part.name for part in self.fields if isinstance(part, HoleField)}
        object.__setattr__(self, "of_hole", named)


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a use finds its choice in its module's: that itself, a field, or a field's member."""

    field: str = ""
    member: int | None = None

    def expression(self, choice: str) -> str:
        """The Python expression, given the one for the module's choice."""
        text = f"{choice}.{self.field}" if self.field else choice
        return text if self.member is None else f"{text}[{self.member}]"


class Layout:
    """The choices of every module of a program."""

    def __init__(self, program: Program, argument: str = "choice") -> None:
        """`argument`: what `forward` calls it, and the types after it: `choice` or `gates`."""
        self.program = program
        self.argument = argument
        self._types: dict[object, Choices | None] = {}
        self._reaches: dict[Use, Reach] = {}
        self._uses: dict[object, dict[str, tuple[Use, ...]]] = {}
        self._groups: dict[object, list[str]] = {}
        for key, graph in program.modules.items():
            self._groups.setdefault(_group(key, graph), []).append(key)
        for group in self._groups:
            self._of_group(group)
        self.names = self._name_types()

    def of(self, module: str) -> Choices | None:
        """What a module's `forward` takes as `choice`; None where nothing is decided."""
        return self._of_group(_group(module, self.program.modules[module]))

    def reach(self, module: str, path: Path) -> Reach | None:
        """How the use at `path` gets its choice; None where it takes none."""
        return self._reaches.get((module, path))

    def field(self, module: str, hole: str) -> str:
        """The field of a module's choice that holds what a hole takes."""
        choices = self.of(module)
        if choices is None:
            raise KeyError(hole)
        return choices.of_hole[hole]

    def type_name(self, choices: Choices) -> str:
        return self.names[choices]

    def value(self, assignment: Assignment, namespace: object) -> object:
        """The choice for an architecture, of the classes of an imported `supernet.py`."""
        return self.filled(lambda hole, key: hole_value(hole, assignment.get(key)), namespace)

    def filled(self, value_of: ValueOf, namespace: object) -> object:
        """The choice with a value for each hole, given with the key of its decision."""
        root = self.program.root
        return self._value(root, (self.program.net.definition,), value_of, namespace)

    # --- types -----------------------------------------------------------------------------

    def _of_group(self, group: object) -> Choices | None:
        if group not in self._types:
            self._types[group] = self._build(group)
        return self._types[group]

    def _build(self, group: object) -> Choices | None:
        keys = self._groups[group]
        first = self.program.modules[keys[0]]
        gates = self.argument == "gates"
        holes = [hole for hole in first.holes if (hole.weighed if gates else is_open(hole))]
        below = self._below(keys)
        if not holes and not below:
            return None
        if not holes and len(below) == 1:
            ((inner, uses),) = below.values()
            if len(_places(uses)) == 1 or not self._is_block(uses[0]):
                self._reaches |= dict.fromkeys(uses, Reach())
                return inner
        names = Taken()
        fields: list[HoleField | InnerField] = [
            HoleField(names.claim(field_name(hole.name)), hole) for hole in holes
        ]
        members = self._uses.setdefault(group, {})
        for (wanted, *_), (inner, uses) in below.items():
            name = names.claim(field_name(str(wanted)))
            members[name] = uses
            fields.append(self._inner_field(name, inner, uses))
        return Choices(first.definition, tuple(fields))

    def _inner_field(self, name: str, inner: Choices, uses: tuple[Use, ...]) -> InnerField:
        places = _places(uses)
        if not self._is_block(uses[0]) or len(places) == 1:
            self._reaches |= dict.fromkeys(uses, Reach(name))
            return InnerField(name, inner)
        for use in uses:
            self._reaches[use] = Reach(name, places.index(use[1]))
        return InnerField(name, inner, len(places))

    def _below(self, keys: list[str]) -> dict[tuple[object, ...], tuple[Choices, tuple[Use, ...]]]:
        """What is decided below some graphs of one definition, each with the uses that take it."""
        found: dict[tuple[object, ...], tuple[Choices, tuple[Use, ...]]] = {}
        for key in keys:
            for node in self.program.modules[key].nodes:
                if not isinstance(node.kind, Invoke):
                    continue
                used = self.program.modules[node.kind.module]
                inner = self._of_group(_group(node.kind.module, used))
                if inner is None:
                    continue
                name = "_".join((used.definition, *(str(i) for i in used.family)))
                entry = (name, used.kind is ModuleKind.BLOCK, inner)
                uses = found.get(entry, (inner, ()))[1]
                if (key, node.path) not in uses:
                    found[entry] = (inner, (*uses, (key, node.path)))
        return found

    def _used(self, use: Use) -> str:
        """The key of the graph that a use invokes."""
        module, path = use
        for node in self.program.modules[module].nodes:
            if isinstance(node.kind, Invoke) and node.path == path:
                return node.kind.module
        raise KeyError(use)

    def _is_block(self, use: Use) -> bool:
        return self.program.modules[self._used(use)].kind is ModuleKind.BLOCK

    def _name_types(self) -> dict[Choices, str]:
        """Names for the NamedTuples, inner ones first; a single one is just `Choice`."""
        ordered: dict[Choices, None] = {}
        for group in self._groups:
            if (choices := self._types[group]) is not None:
                _collect(choices, ordered)
        if len(ordered) == 1:
            return dict.fromkeys(ordered, camel(self.argument))
        taken = Taken()
        return {c: taken.claim(f"{camel(c.definition)}{camel(self.argument)}") for c in ordered}

    # --- values ----------------------------------------------------------------------------

    def _value(self, module: str, scope: ScopeKey, value_of: ValueOf, namespace: object) -> object:
        graph = self.program.modules[module]
        choices = self.of(module)
        if choices is None:
            return None
        group = _group(module, graph)
        if group not in self._uses:  # passed through
            use = next(u for key in self._groups[group] for u in self._passing(key))
            return self._use_value(use, scope, value_of, namespace)
        values: dict[str, object] = {}
        for part in choices.fields:
            match part:
                case HoleField(name, hole):
                    values[name] = value_of(hole, qualify(scope, hole.name))
                case InnerField(name, _, count):
                    places: dict[Path, Use] = {}
                    for use in self._uses[group][name]:
                        places.setdefault(use[1], use)
                    chosen = [
                        self._use_value(use, scope, value_of, namespace) for use in places.values()
                    ]
                    values[name] = chosen[0] if count is None else tuple(chosen)
        return getattr(namespace, self.names[choices])(**values)

    def _passing(self, key: str) -> list[Use]:
        return [use for use, reach in self._reaches.items() if use[0] == key and not reach.field]

    def _use_value(self, use: Use, scope: ScopeKey, value_of: ValueOf, namespace: object) -> object:
        used = self._used(use)
        inner = inner_scope(self.program.modules[used], scope, use[1])
        return self._value(used, inner, value_of, namespace)


def is_open(hole: Hole) -> bool:
    """Whether a hole leaves anything to decide."""
    if hole.quantity is Quantity.ANY:
        return True
    return hole.count < len(hole.labels)


def hole_value(hole: Hole, taken: tuple[int, ...] | None) -> object:
    """What a field holds: a label, a tuple or a set of labels; None where nothing is decided."""
    values = tuple(hole_values(hole)[i] for i in taken or ())
    match hole.quantity:
        case Quantity.ONE:
            return values[0] if values else None
        case Quantity.SOME:
            return values
        case Quantity.ANY:
            return frozenset(values)


def _group(key: str, graph: Graph) -> object:
    """Graphs whose decisions are made together: all of a cell, each of a block."""
    if graph.kind is ModuleKind.BLOCK:
        return key
    return (graph.kind, graph.definition, graph.family)


def _places(uses: tuple[Use, ...]) -> list[Path]:
    """The paths of uses, each once: tied uses are decided together."""
    return list(dict.fromkeys(path for _, path in uses))


def _collect(choices: Choices, into: dict[Choices, None]) -> None:
    for part in choices.fields:
        if isinstance(part, InnerField):
            _collect(part.inner, into)
    into.setdefault(choices)
