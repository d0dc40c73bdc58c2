"""From graphs to the steps of one class's `forward`.

What the text wrote as one thing becomes one step again: a chain bound to a name (`Chain`), an
application of a named composition (`Part`, a class of its own). Where passes have taken such a
group apart, its nodes become steps one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise

from archdsl.codegen.depths import cut_short
from archdsl.codegen.simplify import simplify
from archdsl.codegen.sizes import number_in, use_parameters
from archdsl.codegen.steps import (
    Chain,
    Gather,
    Leaf,
    Nothing,
    Part,
    Pick,
    Project,
    Step,
    Unit,
    UnitKey,
    Use,
)
from archdsl.ir.cases import Cases, change
from archdsl.ir.formula import ALWAYS
from archdsl.ir.graph import (
    USE,
    Apply,
    Choose,
    Frame,
    FrameKind,
    Graph,
    Input,
    Invoke,
    Item,
    Node,
    Number,
    Path,
    Program,
    Static,
    Variant,
)
from archdsl.ops.constants import Zero


@dataclass(slots=True)
class Flow:
    """All units of a program, found graph by graph."""

    program: Program
    units: dict[UnitKey, Unit] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key in self.program.modules:
            self._graph_unit(key)

    def _graph_unit(self, key: str) -> None:
        graph = self.program.modules[key]
        names = tuple(n.kind.name for n in graph.nodes if isinstance(n.kind, Input))
        unit = Unit(
            key=(key, ()),
            name=graph.definition,
            doc=graph.doc,
            graph=graph,
            inputs=graph.inputs,
            names=names,
            outputs=graph.outputs,
        )
        self._fill(unit, range(len(graph.nodes)))

    def _fill(self, unit: Unit, region: Iterable[int]) -> None:
        found = _Collector(self, unit.key[0], unit.graph, unit.outputs).collect(
            list(region), len(unit.key[1])
        )
        found = cut_short(found, unit.outputs, unit.graph)
        unit.steps, unit.outputs = simplify(found, unit.outputs, unit.inputs, unit.graph)
        numbers = (number for step in unit.steps for number in numbers_of(step))
        unit.parameters = use_parameters(unit.graph, numbers)
        unit.height = 1 + max((self._height(step) for step in unit.steps), default=0)
        self.units[unit.key] = unit

    def _height(self, step: Step) -> int:
        match step.what:
            case Use(module):
                return self.units[module, ()].height
            case Part(key):
                return self.units[key].height
            case Chain(members):
                return max(self._height(member) for member in members)
            case _:
                return 0

    def part(self, key: UnitKey, graph: Graph, frame: Frame, region: Sequence[int]) -> Step:
        """The step for an intact group of nodes, its unit made on the way."""
        inside = set(region)
        inputs = tuple(
            dict.fromkeys(a for i in region for a in graph.nodes[i].args if a not in inside)
        )
        out = region[-1]
        if key not in self.units:
            names = _names_of(inputs, graph)
            unit = Unit(
                key=key,
                name=frame.name,
                doc=frame.doc,
                graph=graph,
                inputs=inputs,
                names=names,
                outputs=(out,),
            )
            self._fill(unit, region)
        node = graph.nodes[out]
        told = {n: [number_in(row, n) for row in graph.rows] for n in self.units[key].parameters}
        return Step(
            out=out,
            args=inputs,
            what=Part(key),
            path=key[1],
            label=node.label,
            types=node.types,
            numbers=tuple(
                Number(field=n, keyword=n, values=Cases(USE, tuple(enumerate(values))))
                for n, values in told.items()
            ),
        )


@dataclass(slots=True)
class _Collector:
    """Makes the steps of one region of a graph."""

    flow: Flow
    module: str
    graph: Graph
    outputs: tuple[int, ...]
    users: dict[int, set[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for position, node in enumerate(self.graph.nodes):
            for arg in node.args:
                self.users.setdefault(arg, set()).add(position)

    def collect(self, region: list[int], depth: int) -> list[Step]:
        """Steps for nodes whose paths share `depth` steps, in topological order."""
        grouped: dict[Path, list[int]] = {}
        steps: list[Step] = []
        for position in region:
            path = self.graph.nodes[position].path
            if len(path) > depth + 1 and path[: depth + 1] in self.graph.frames:
                grouped.setdefault(path[: depth + 1], []).append(position)
            elif not isinstance(self.graph.nodes[position].kind, Input):
                steps.append(self.leaf(position))
        for prefix, nodes in grouped.items():
            steps += self.group(prefix, nodes)
        return sorted(steps, key=lambda step: step.out)

    def group(self, prefix: Path, nodes: list[int]) -> list[Step]:
        """One step for each use of a frame, or the steps inside where it is not intact."""
        frame = self.graph.frames[prefix]
        instances = self._instances(nodes)
        if all(self._intact(instance) for instance in instances):
            if frame.kind is FrameKind.OPERATION:
                return [
                    self.flow.part((self.module, prefix), self.graph, frame, instance)
                    for instance in instances
                ]
            chains = [self._chain(prefix, instance) for instance in instances]
            if all(chain is not None for chain in chains):
                return [chain for chain in chains if chain is not None]
        return self.collect(nodes, len(prefix))

    def _instances(self, nodes: list[int]) -> list[list[int]]:
        """Nodes split by use: tied groups have every path as often as they are used."""
        counts: dict[Path, int] = {}
        turns: list[list[int]] = []
        for position in nodes:
            path = self.graph.nodes[position].path
            turn = counts[path] = counts.get(path, -1) + 1
            if turn == len(turns):
                turns.append([])
            turns[turn].append(position)
        return turns if len({len(turn) for turn in turns}) == 1 else [nodes]

    def _intact(self, region: list[int]) -> bool:
        """One result, and nothing goes out and comes back."""
        inside = set(region)
        leaving = [i for i in region if i in self.outputs or not self.users.get(i, set()) <= inside]
        if any(len(self.graph.nodes[i].types) > 1 for i in region):
            return False  # its items have no path and stand outside
        unused = [i for i in region if not self.users.get(i) and i not in self.outputs]
        if leaving != region[-1:] and (leaving or unused != region[-1:]):
            return False
        return set(unused) <= {region[-1]}

    def _chain(self, prefix: Path, region: list[int]) -> Step | None:
        """A chain, where each member is one module on what the one before gives."""
        children: dict[str, list[int]] = {}
        for position in region:
            children.setdefault(self.graph.nodes[position].path[len(prefix)], []).append(position)
        if list(children) != [str(number) for number in range(len(children))]:
            return None
        members: list[Step] = []
        for name, nodes in children.items():
            at_end = len(nodes) == 1 and self.graph.nodes[nodes[0]].path == (*prefix, name)
            found = (
                [self.leaf(nodes[0])]
                if at_end
                else self.group((*prefix, name), nodes)
                if (*prefix, name) in self.graph.frames
                else []
            )
            if len(found) != 1 or not _is_module(found[0]):
                return None
            members += found
        inside = set(region)
        for before, after in pairwise(members):
            if after.args != (before.out,) or not self.users[before.out] <= inside:
                return None
        last = members[-1]
        return Step(
            out=last.out,
            args=members[0].args,
            what=Chain(tuple(members)),
            path=prefix,
            label=last.label,
            types=last.types,
        )

    def told(self, node: Node, module: str) -> tuple[Number, ...]:
        """The sizes that a use of a module tells it."""
        used = self.flow.units[module, ()]
        if node.sizes is None:
            return ()
        rows = used.graph.rows
        return tuple(
            Number(
                field=name,
                keyword=name,
                values=change(node.sizes.variants, partial(_in_row, rows, name)),
            )
            for name in used.parameters
        )

    def leaf(self, position: int) -> Step:
        """The step for one node."""
        node = self.graph.nodes[position]
        step = Step(
            out=position,
            args=node.args,
            what=Nothing(),
            path=node.path,
            label=node.label,
            types=node.types,
            span=node.span,
        )
        match node.kind:
            case Apply(operation, when):
                inputs = self.graph.types_in(node)
                if isinstance(operation, Zero):
                    return step
                if any(formula != ALWAYS for formula in when):
                    return replace(step, what=Gather(operation), when=when)
                form = node.sizes.form if node.sizes is not None else None
                code = operation.code(inputs) if form is None else form.code
                numbers = node.sizes.numbers if node.sizes is not None else ()
                return replace(step, what=Leaf(operation, code, inputs), numbers=numbers)
            case Invoke(module, steps):
                return replace(step, what=Use(module, steps), numbers=self.told(node, module))
            case Choose(hole):
                return replace(step, what=Pick(hole))
            case Item(index):
                return replace(step, what=Project(index))
            case Input():
                raise AssertionError("an input is no step")


def _is_module(step: Step) -> bool:
    """Whether a step can be a member of `nn.Sequential`."""
    if len(step.args) != 1 or len(step.types) != 1:
        return False
    match step.what:
        case Leaf(_, code):
            return bool(code.constructor) and not step.numbers and "{self}" not in code.expression
        case Use(_, steps):
            return not steps
        case Part() | Chain():
            return True
        case _:
            return False


def _names_of(inputs: Sequence[int], graph: Graph) -> tuple[str, ...]:
    """What a composition calls its inputs: x, or x0, x1; a number that scales is `scale`."""
    numbers = [graph.nodes[i].types[0].shape == () for i in inputs]
    values = iter(("x",) if numbers.count(False) == 1 else (f"x{i}" for i in range(len(inputs))))
    return tuple("scale" if number else next(values) for number in numbers)


def _in_row(rows: Sequence[Mapping[str, Static]], name: str, size: Variant) -> int | float:
    return number_in(rows[size.row], name)


def numbers_of(step: Step) -> Iterator[Number]:
    """The sizes that a step and the members of a chain are told."""
    yield from step.numbers
    if isinstance(step.what, Chain):
        for member in step.what.members:
            yield from numbers_of(member)
