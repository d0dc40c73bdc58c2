"""Units as classes: those that differ only in numbers are one class with parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from archdsl.codegen.choice import Layout
from archdsl.codegen.flow import Flow
from archdsl.codegen.forward import Emitter
from archdsl.codegen.literals import Table
from archdsl.codegen.modules import (
    Alias,
    Attribute,
    Kept,
    Made,
    Modules,
    New,
    Several,
    Slot,
    leaf_constructor,
)
from archdsl.codegen.parameters import Parameters, Values, parametrise
from archdsl.codegen.patterns import Functions, find_pattern
from archdsl.codegen.plan import Plan
from archdsl.codegen.steps import Chain, Leaf, Part, Pick, Step, Unit, UnitKey, Use
from archdsl.codegen.told import told_inside


@dataclass(slots=True, kw_only=True)
class Draft:
    """One unit as code, its numbers still in place."""

    unit: Unit
    emitter: Emitter
    attributes: list[Attribute]
    forward: list[str]

    @property
    def slots(self) -> list[Slot]:
        return [slot for line in self.attributes for slot in slots_of(line.made)]

    @property
    def skeleton(self) -> object:
        """What units of one class have in common: everything but their numbers."""
        return (
            self.unit.name,
            self.unit.graph.kind if not self.unit.key[1] else None,
            tuple((line.name, line.dead, _shape(line.made)) for line in self.attributes),
            tuple(self.forward),
            self.unit.names,
            self.unit.parameters,
            tuple(len(self.unit.type_of(value).shape) for value in self.unit.inputs),
        )


@dataclass(slots=True, kw_only=True)
class Class:
    """A class of the file, with the units that it stands for; the first is its model."""

    number: int
    drafts: list[Draft]
    parameters: Parameters

    @property
    def model(self) -> Draft:
        return self.drafts[0]

    def arguments(self, row: int) -> tuple[Slot, ...]:
        """What one of its units passes to the constructor."""
        return tuple(
            Slot(
                parameter.values[row], parameter.role, parameter.name, parameter.default, ours=True
            )
            for parameter in self.parameters.parameters
        )


@dataclass(slots=True)
class Classes:
    """All classes of a program, parts before the whole."""

    flow: Flow
    layout: Layout
    functions: Functions
    all: list[Class] = field(default_factory=list)
    of_unit: dict[UnitKey, tuple[Class, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, flow: Flow, layout: Layout, reserved: frozenset[str]) -> Classes:
        units = reachable(flow)
        counting = cls(flow, layout, Functions(reserved))
        functions = Functions(reserved, counts=counting._count_patterns(units))
        classes = cls(flow, layout, functions)
        for height in sorted({unit.height for unit in units}):
            classes._add([unit for unit in units if unit.height == height])
        return classes

    @property
    def root(self) -> Class:
        return self.of_unit[self.flow.program.root, ()][0]

    def ordered(self) -> list[Class]:
        """Classes in the order in which a reader meets them, parts first."""
        found: dict[int, Class] = {}

        def visit(item: Class) -> None:
            if item.number in found:
                return
            for line in item.model.attributes:
                for made in news_of(line.made):
                    if isinstance(made.of, int):
                        visit(self.all[made.of])
            found[item.number] = item

        visit(self.root)
        return list(found.values())

    def emitter(self, unit: Unit) -> Emitter:
        plan = Plan(unit)
        modules = Modules.of(unit, plan.steps)
        return Emitter(
            plan=plan,
            modules=modules,
            layout=self.layout,
            units=self.flow.units,
            hole=lambda hole: f"{self.layout.argument}.{self.layout.field(unit.key[0], hole)}",
            access=modules.access,
            functions=self.functions,
            shapes=unit.key == (self.flow.program.root, ()),
        )

    def _count_patterns(self, units: Sequence[Unit]) -> dict[object, int]:
        """How often each kind of choice is made, the most in one use of each definition."""
        most: dict[tuple[object, str], int] = {}
        for unit in units:
            emitter = self.emitter(unit)
            here: dict[object, int] = {}
            for step in emitter.plan.steps.values():
                pattern = find_pattern(emitter, step) if isinstance(step.what, Pick) else None
                if pattern is not None:
                    here[pattern.key] = here.get(pattern.key, 0) + 1
            for key, count in here.items():
                most[key, unit.name] = max(most.get((key, unit.name), 0), count)
        counts: dict[object, int] = {}
        for (key, _), count in most.items():
            counts[key] = counts.get(key, 0) + count
        return counts

    def _add(self, units: Sequence[Unit]) -> None:
        groups: dict[object, list[Draft]] = {}
        for unit in units:
            draft = self._draft(unit)
            groups.setdefault(draft.skeleton, []).append(draft)
        for drafts in groups.values():
            rows = [draft.slots for draft in drafts]
            columns = [[row[i] for row in rows] for i in range(len(rows[0]))]
            parameters = parametrise(columns, _written([draft.unit for draft in drafts]))
            item = Class(number=len(self.all), drafts=drafts, parameters=parameters)
            self.all.append(item)
            self.of_unit |= {d.unit.key: (item, row) for row, d in enumerate(drafts)}

    def _draft(self, unit: Unit) -> Draft:
        emitter = self.emitter(unit)
        modules = emitter.modules
        made = {step.out: self._made(step, emitter) for step in modules.stored.values()}
        forward = emitter.function()
        tables = [
            Attribute(name, Kept(Slot(table, name, name)), dead=False)
            for table, name in emitter.tables.items()
        ]
        return Draft(
            unit=unit,
            emitter=emitter,
            attributes=[*tables, *modules.attributes(made)],
            forward=forward,
        )

    def _made(self, step: Step, emitter: Emitter) -> Made:
        match step.what:
            case Leaf() as leaf:
                return leaf_constructor(leaf)
            case Use(module):
                return self._new((module, ()))
            case Part(key):
                return self._new(key)
            case Chain(members):
                loose = emitter.choice_inside(step) or told_inside(step)
                of = "nn.ModuleList" if loose else "nn.Sequential"
                return Several(of, tuple(self._made(member, emitter) for member in members))
            case _:
                raise AssertionError("a step without a module")

    def _new(self, key: UnitKey) -> New:
        item, row = self.of_unit[key]
        return New(item.number, item.arguments(row))


def _written(units: Sequence[Unit]) -> dict[str, Values]:
    """The numbers that the text gives to these uses of a module, by their names there."""
    if any(unit.key[1] for unit in units):
        return {}
    rows = [unit.graph.arguments for unit in units]
    columns = {name: tuple(row.get(name) for row in rows) for name in rows[0]}
    return {
        name: tuple(value for value in values if isinstance(value, int | float))
        for name, values in columns.items()
    }


def reachable(flow: Flow) -> list[Unit]:
    """The units that the net uses, in the order of the program."""
    found: set[UnitKey] = set()

    def visit(key: UnitKey) -> None:
        if key not in found:
            found.add(key)
            for step in flow.units[key].steps:
                for inner in _below(step):
                    visit(inner)

    visit((flow.program.root, ()))
    return [unit for key, unit in flow.units.items() if key in found]


def _below(step: Step) -> Iterator[UnitKey]:
    match step.what:
        case Use(module):
            yield (module, ())
        case Part(key):
            yield key
        case Chain(members):
            for member in members:
                yield from _below(member)
        case _:
            return


def slots_of(made: Made) -> Iterator[Slot]:
    """The slots of a module, in the order of its text."""
    match made:
        case Kept(slot):
            yield slot
        case _:
            for new in news_of(made):
                yield from new.slots


def news_of(made: Made) -> Iterator[New]:
    match made:
        case New():
            yield made
        case Several(_, members):
            for member in members:
                yield from news_of(member)
        case Kept() | Alias():
            return


def _shape(made: Made) -> object:
    match made:
        case New(of, slots):
            return (of, tuple((slot.keyword, _kind(slot)) for slot in slots))
        case Several(of, members, names):
            return (of, names, tuple(_shape(member) for member in members))
        case Kept(slot):
            return (slot.keyword, _kind(slot))
        case Alias(access):
            return access


def _kind(slot: Slot) -> object:
    """Numbers may differ within a class, anything else may not."""
    match slot.value:
        case bool():
            return bool
        case int() | float():
            return float
        case Table() as table:
            return table.annotation
        case other:
            return ("fixed", other)
