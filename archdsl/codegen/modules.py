"""The submodules of a class: how `__init__` makes them and `forward` calls them."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from archdsl.codegen.literals import Table
from archdsl.codegen.naming import attribute
from archdsl.codegen.steps import Chain, Leaf, Part, Step, Unit, Use
from archdsl.ir.graph import FrameKind, Path
from archdsl.ops.base import Argument, Helper


@dataclass(frozen=True, slots=True)
class Slot:
    """An argument of a constructor, which may become a parameter of the enclosing class.

    `keyword` is how the constructor calls it, `positional` whether the name is left away;
    at `default` the argument is omitted. `ours`: of a class of this file, whose arguments go by
    position where the variable has the parameter's name.
    """

    value: int | float | bool | str | tuple[int, ...] | Table | None
    role: str
    keyword: str = ""
    default: int | float | bool | str | None = None
    ours: bool = False


@dataclass(frozen=True, slots=True)
class New:
    """A constructor call. `of` is the constructor's name, or the number of a class of the file."""

    of: str | int
    slots: tuple[Slot, ...] = ()


@dataclass(frozen=True, slots=True)
class Several:
    """`nn.Sequential`, `nn.ModuleList` or, with names, `nn.ModuleDict`."""

    of: str
    members: tuple[Made, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """A value of its own: a table of sizes."""

    slot: Slot


@dataclass(frozen=True, slots=True)
class Alias:
    """A module that is made elsewhere and known by another name as well: `self.norm`."""

    access: str


Made: TypeAlias = New | Several | Kept | Alias


@dataclass(frozen=True, slots=True)
class Attribute:
    """A line of `__init__`. `dead`: `forward` never reaches it."""

    name: str
    made: Made
    dead: bool


# What torch fills in, so that layers which differ only in these can share one class.
TORCH_DEFAULTS: dict[str, tuple[tuple[str, str, int | float], ...]] = {
    "nn.Conv2d": (
        ("stride", "stride", 1),
        ("padding", "padding", 0),
        ("dilation", "dilation", 1),
        ("groups", "groups", 1),
    ),
}
TORCH_DEFAULTS |= {"ElasticConv2d": TORCH_DEFAULTS["nn.Conv2d"]}


def helper_defaults(helper: Helper) -> tuple[tuple[str, str, int | float], ...]:
    """The numbers that a helper class fills in itself: (keyword, role, default)."""
    for node in ast.walk(ast.parse(helper.source)):
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            names = [argument.arg for argument in node.args.args]
            values = node.args.defaults
            pairs = zip(names[len(names) - len(values) :], values, strict=True)
            return tuple(
                (name, name, value.value)
                for name, value in pairs
                if isinstance(value, ast.Constant) and isinstance(value.value, int | float)
            )
    return ()


def leaf_constructor(leaf: Leaf) -> New:
    """The constructor call of an operation, with the defaults that it leaves unsaid."""
    code = leaf.code
    helpers = {helper.name: helper for helper in leaf.operation.helpers}
    defaults = (
        helper_defaults(helpers[code.constructor])
        if code.constructor in helpers and code.constructor not in TORCH_DEFAULTS
        else TORCH_DEFAULTS.get(code.constructor, ())
    )
    given = {argument.keyword: argument for argument in code.arguments if argument.keyword}
    slots = [_slot(argument, None) for argument in code.arguments if not argument.keyword]
    for keyword, role, default in defaults:
        argument = given.pop(keyword, None) or Argument(default, role, keyword)
        slots.append(_slot(argument, default))
    slots += [_slot(argument, None) for argument in given.values()]
    return New(code.constructor, tuple(slots))


def _slot(argument: Argument, default: int | float | None) -> Slot:
    return Slot(argument.value, argument.role, argument.keyword or "", default)


@dataclass(slots=True)
class Modules:
    """The submodules of one unit, by their paths inside it."""

    unit: Unit
    stored: dict[Path, Step] = field(default_factory=dict)
    live: set[Path] = field(default_factory=set)
    below: dict[Path, dict[str, None]] = field(default_factory=dict)
    """The names under each path, in the order of the text."""
    lists: dict[Path, bool] = field(default_factory=dict)
    aliases: dict[Path, Path] = field(default_factory=dict)
    """Paths under which what stands at another is known as well."""

    @classmethod
    def of(cls, unit: Unit, live: Mapping[int, Step]) -> Modules:
        """Every step that owns a submodule; those without weights only where they are called."""
        modules = cls(unit)
        for step in unit.steps:
            if not is_stored(step) or (step.out not in live and not has_weights(step)):
                continue
            path = modules.inside(step)
            modules.stored.setdefault(path, step)
            for depth, name in enumerate(path):
                modules.below.setdefault(path[:depth], {})[name] = None
            if step.out in live:
                modules.live.add(path)
        modules._add_aliases()
        return modules

    def _add_aliases(self) -> None:
        """What passes made one keeps all its names, the last ones first."""
        prefix = self.unit.key[1]
        for path, other in self.unit.graph.aliases.items():
            if path[: len(prefix)] == prefix and other[: len(prefix)] == prefix:
                inner = path[len(prefix) :]
                self.aliases[inner] = other[len(prefix) :]
                for depth, name in enumerate(inner):
                    self.below.setdefault(inner[:depth], {})[name] = None

    def inside(self, step: Step) -> Path:
        """A step's path below the unit."""
        return step.path[len(self.unit.key[1]) :]

    def access(self, step: Step) -> str:
        """How `forward` reaches a step's submodule."""
        return self.access_to(self.inside(step))

    def access_to(self, path: Path) -> str:
        text = f"self.{attribute(path[0])}"
        for depth in range(1, len(path)):
            numbered = self.is_list(path[:depth]) or self._is_chain(path[:depth])
            text += f"[{path[depth]}]" if numbered else f'["{attribute(path[depth])}"]'
        return text

    def _is_chain(self, path: Path) -> bool:
        """Whether what stands at a path is made as one `nn.Sequential`."""
        return path in self.stored and isinstance(self.stored[path].what, Chain)

    def children(self, prefix: Path) -> list[str]:
        return list(self.below.get(prefix, ()))

    def _alias(self, path: Path) -> Path | None:
        """What stands at another path, where all below this one is its."""
        if path in self.aliases:
            return self.aliases[path]
        inside = {p: other for p, other in self.aliases.items() if p[: len(path)] == path}
        if not inside or any(p[: len(path)] == path for p in self.stored):
            return None
        depth = len(path)
        others = {other[: len(other) - len(p) + depth] for p, other in inside.items()}
        same = all(p[depth:] == other[len(other) - len(p) + depth :] for p, other in inside.items())
        (one, *more) = others
        return one if same and one and not more and one in self.stored else None

    def is_list(self, prefix: Path) -> bool:
        """Whether what a group holds is numbered without gaps."""
        if prefix not in self.lists:
            frame = self.unit.graph.frames.get((*self.unit.key[1], *prefix))
            names = self.children(prefix)
            self.lists[prefix] = (
                frame is not None
                and frame.kind is FrameKind.SEQUENCE
                and names == [str(number) for number in range(len(names))]
            )
        return self.lists[prefix]

    def attributes(self, make: Mapping[int, Made]) -> list[Attribute]:
        """The lines of `__init__`, in the order of the text; `make` gives each step's module."""
        live = {path[0] for path in self.live}
        found = [
            Attribute(attribute(name), self._made((name,), make), name not in live)
            for name in self.children(())
        ]
        named = [line for line in found if isinstance(line.made, Alias)]
        made = [line for line in found if not isinstance(line.made, Alias)]
        return [*made, *(Attribute(line.name, line.made, dead=False) for line in named)]

    def _made(self, path: Path, make: Mapping[int, Made]) -> Made:
        if path in self.stored:
            return make[self.stored[path].out]
        if (other := self._alias(path)) is not None:
            return Alias(self.access_to(other))
        names = self.children(path)
        members = tuple(self._made((*path, name), make) for name in names)
        if self.is_list(path):
            return Several("nn.ModuleList", members)
        return Several("nn.ModuleDict", members, tuple(attribute(name) for name in names))


def is_stored(step: Step) -> bool:
    match step.what:
        case Leaf() as leaf:
            return leaf.stored
        case Use() | Part() | Chain():
            return True
        case _:
            return False


def has_weights(step: Step) -> bool:
    match step.what:
        case Leaf(operation, _, inputs):
            return bool(operation.weights(inputs))
        case Chain(members):
            return any(has_weights(member) for member in members)
        case _:
            return True
