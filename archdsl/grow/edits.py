"""Edits after which a network computes what it did before.

    Deepen   operations behind a value, which pass it on at first (Net2DeeperNet, EAS, NASH)
    Widen    more channels of a value, or more hidden units, by copies (Net2WiderNet, EAS, NASH)
    Skip     a value added to, or put beside, a later one, with no weight at first (LEMONADE)
    Insert   operations from one value to another, or around one, that give nothing at first

A place is `MODULE.VALUE`, in the words of the network as text (`grow.written`). An edit of a module
is one of all its uses. What comes out is a network as text like any other; its weights come from
`grow.heir`, which also says whether the edit preserves the function; where not, it is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from archdsl.grow.heir import heir
from archdsl.grow.widths import widened, with_units
from archdsl.grow.written import SUFFIX, read_back, unused, written
from archdsl.ir.graph import Apply, Graph, Input, Node, Program
from archdsl.ir.types import TensorType
from archdsl.library import Library
from archdsl.ops.base import Operation, OperationError
from archdsl.ops.joins import Concat, Sum
from archdsl.ops.normalisation import Scale
from archdsl.syntax.errors import ArchError, fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Deepen:
    """`operations` behind the value `at`, in front of everything that takes it."""

    at: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Widen:
    """The value `at` with so many channels, as has everything that must have as many; or, with
    `units`, so many hidden units of the perceptron that gives it."""

    at: str
    channels: int = 0
    units: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """The value `source` also goes where `at` does: times a factor that begins at 0, or, with
    `join="concat"`, beside it, where what takes both gives it no weight."""

    source: str
    at: str
    join: Literal["sum", "concat"] = "sum"


@dataclass(frozen=True, slots=True, kw_only=True)
class Insert:
    """What `operations` make of the value `source` is added to the value `at`."""

    source: str
    at: str
    operations: tuple[Operation, ...]


Edit: TypeAlias = Deepen | Widen | Skip | Insert


def edited(program: Program, edit: Edit, *, seed: int = 0) -> Program:
    """The network after an edit, which computes what it did with the weights that `heir` gives.

    Raises ArchError E0840 where the edit does not preserve the function, E0841 for a place that
    there is not, and those of the language where shapes do not fit.
    """
    before = read_back(program)
    after = changed(before, edit)
    found = heir(before, after, seed=seed)
    if not found.preserved:
        raise fault(
            "E0840",
            f"the network would compute something else after {_called(edit)}",
            found=f"a change at {found.changed[0]}",
            expected="an edit that can begin without any effect",
            hint="another place; or train it from weights that are inherited in part",
        )
    return after


def changed(before: Program, edit: Edit) -> Program:
    """A network, as `read_back` gives it, after an edit, whatever it computes then."""
    key, position = _place(before, edit.at)
    graph = before.modules[key]
    match edit:
        case Deepen(operations=operations):
            result = _spliced(graph, position, lambda draft: draft.chain(position, operations))
        case Widen(units=units) if units:
            return _again(with_units(before, (key, position), units))
        case Widen(channels=channels):
            return _again(widened(before, (key, position), channels))
        case Skip(source=source, join="concat"):
            other = _source(before, source, key, position)
            result = _spliced(graph, position, lambda d: d.put(Concat(), position, other))
        case Skip(source=source):
            other = _source(before, source, key, position)
            branch: tuple[Operation, ...] = (Scale(initial=0.0),)
            result = _spliced(graph, position, lambda d: d.added(position, other, branch))
        case Insert(source=source, operations=operations):
            other = _source(before, source, key, position)
            result = _spliced(graph, position, lambda d: d.added(position, other, operations))
    return _again(replace(before, modules={**before.modules, key: result}))


def _again(program: Program) -> Program:
    """An edited network read from its own text, which finds all shapes anew."""
    return Library().text(written(program), "<edited>").network()


@dataclass(slots=True)
class _Splice:
    """New nodes behind a position; `names` are all that the module has."""

    graph: Graph
    position: int
    names: set[str]
    nodes: list[Node]

    def put(self, operation: Operation, *args: int) -> int:
        name = unused(operation.attribute, self.names)
        types = tuple(self._node(arg).type for arg in args)
        try:
            found = operation.results(types)
        except OperationError as problem:
            raise _unfit(f"{operation.describe()}: {problem}") from problem
        self.nodes.append(
            Node(kind=Apply(operation), args=args, types=found, path=(name,), label=name)
        )
        return self.position + len(self.nodes)

    def _node(self, position: int) -> Node:
        new = position - self.position - 1
        return self.nodes[new] if new >= 0 else self.graph.nodes[position]

    def chain(self, start: int, operations: Sequence[Operation]) -> int:
        for operation in operations:
            start = self.put(operation, start)
        return start

    def added(self, target: int, source: int, operations: Sequence[Operation]) -> int:
        return self.put(Sum(), target, self.chain(source, operations))


def _spliced(graph: Graph, position: int, build: Callable[[_Splice], int]) -> Graph:
    """A module with new nodes behind a value; the last of them goes where the value did."""
    names = {node.label for node in graph.nodes} | {name for n in graph.nodes for name in n.path}
    names |= {node.kind.name for node in graph.nodes if isinstance(node.kind, Input)}
    splice = _Splice(graph, position, names, [])
    last = build(splice)
    count = len(splice.nodes)

    def moved(arg: int) -> int:
        return last if arg == position else arg + count if arg > position else arg

    behind = (
        replace(node, args=tuple(moved(arg) for arg in node.args))
        for node in graph.nodes[position + 1 :]
    )
    nodes = (*graph.nodes[: position + 1], *splice.nodes, *behind)
    return replace(graph, nodes=nodes, outputs=tuple(moved(output) for output in graph.outputs))


def type_at(program: Program, place: str) -> TensorType:
    """The type of the value at a place. Raises ArchError E0841."""
    key, position = _place(program, place)
    return program.modules[key].nodes[position].type


def _place(program: Program, place: str) -> tuple[str, int]:
    """The module and the position of a value."""
    module, _, value = place.partition(".")
    for key, graph in program.modules.items():
        if graph.definition != module:
            continue
        for position, node in enumerate(graph.nodes):
            name = node.kind.name if isinstance(node.kind, Input) else node.label
            if name == value and len(node.types) == 1:
                return key, position
    raise fault(
        "E0841",
        f"there is no value {place}",
        found=place,
        expected="MODULE.VALUE, as in network.stem_0, in the text of the network",
        hint=f"its text calls the space {program.space.removesuffix(SUFFIX)}{SUFFIX}",
    )


def _source(program: Program, place: str, key: str, position: int) -> int:
    """The position of a value of the same module that is there before another."""
    module, found = _place(program, place)
    if module != key or found > position:
        raise fault(
            "E0841",
            f"{place} is not there yet",
            found=place,
            expected=f"a value of {program.modules[key].definition} before the other",
        )
    return found


def _unfit(message: str) -> ArchError:
    return fault("E0841", f"the edit does not fit: {message}")


def _called(edit: Edit) -> str:
    return f"{type(edit).__name__.lower()} at {edit.at}"
