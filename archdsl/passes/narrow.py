"""A space elaborated again at a part of its widths, node for node beside the space itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from archdsl.ir.elaborate import elaborate
from archdsl.ir.graph import Apply, Graph, Invoke, Node, Program
from archdsl.ir.types import TensorType
from archdsl.syntax.errors import ArchError, fault
from archdsl.syntax.parse import parse
from archdsl.syntax.tree import Space

Choices = Mapping[str, tuple[int, ...]]
"""The positions of choices, by the key of their graph."""


@dataclass(frozen=True, slots=True)
class Narrow:
    """A program, one of the same form with 1/`parts` of its widths, and which graph is which."""

    wide: Program
    program: Program
    parts: int
    twins: Mapping[str, str]

    def part(self, type_: TensorType) -> TensorType:
        """A map with 1/`parts` of its channels, rounded down."""
        return replace(type_, shape=(type_.channels // self.parts, *type_.shape[1:]))

    def type(self, key: str, position: int) -> TensorType:
        return self.program.modules[self.twins[key]].nodes[position].type

    def node(self, key: str, position: int) -> Node:
        """A node of a graph, made at the smaller widths."""
        before = self.wide.modules[key].nodes[position]
        after = self.program.modules[self.twins[key]].nodes[position]
        kind = after.kind
        if isinstance(before.kind, Invoke):
            kind = replace(before.kind, module=self._name(before.kind.module))
        return replace(before, kind=kind, types=after.types, sizes=after.sizes)

    def graphs(self, names: Iterable[str]) -> dict[str, Graph]:
        """The graphs of these names, as `node` uses them, and of all that they use."""
        wanted = set(names)
        found: dict[str, Graph] = {}
        for key, graph in reversed(tuple(self.wide.modules.items())):
            if self._name(key) not in wanted:
                continue
            nodes = tuple(self.node(key, i) for i in range(len(graph.nodes)))
            wanted.update(n.kind.module for n in nodes if isinstance(n.kind, Invoke))
            arguments = self.program.modules[self.twins[key]].arguments
            found[self._name(key)] = replace(graph, nodes=nodes, arguments=arguments)
        return dict(reversed(found.items()))

    def _name(self, key: str) -> str:
        return f"{key}.1_{self.parts}"


def narrowed(program: Program, choices: Choices, parts: int) -> Narrow:
    """The program at 1/`parts` of its widths: the parameters that set the channels of choices.

    A parameter is a width where the space with a part of it has the same nodes, and all values
    chosen among are as they were but some, which have that part of their channels. Raises
    ArchError E0909 where there is none, or the space does not make sense at that part of all.
    """
    (space,) = parse(program.text, f"<{program.space}>").spaces
    trials = _Trials(program, space, choices, parts)
    widths = [name for name in trials.candidates() if trials.is_width(name)]
    if not widths:
        tried = [f"{name}={program.parameters[name]}" for name in trials.candidates()]
        divided = f"parameters that {parts} divides: {', '.join(tried)}"
        given = ", ".join(f"{name}={value}" for name, value in program.parameters.items())
        none = f"no parameter that {parts} divides: {given}" if given else "no parameters"
        raise _refused(program, parts, trials.why or (divided if tried else none))
    try:
        narrow = trials.at(widths)
    except ArchError as error:
        raise _refused(program, parts, error.diagnostics[0].message) from error
    if narrow is None:
        raise _refused(program, parts, f"other operations, with less {', '.join(widths)}")
    return narrow


def _refused(program: Program, parts: int, found: str) -> ArchError:
    return fault(
        "E0909",
        f"no parameter of {program.space} is a width of its choices that 1/{parts} is left of",
        program.net.span,
        found=found,
        expected=f"a whole-number parameter, of which 1/{parts} gives the same operations narrower",
        hint="write widths in terms of a parameter, space s(width=16); or take another part",
    )


@dataclass(slots=True)
class _Trials:
    """Elaborates the space with a part of some parameters."""

    wide: Program
    space: Space
    choices: Choices
    parts: int
    why: str = ""
    """What did not make sense at a part of a parameter, the first time."""

    def candidates(self) -> Iterator[str]:
        for name, value in self.wide.parameters.items():
            if type(value) is int and value > 0 and value % self.parts == 0:
                yield name

    def is_width(self, name: str) -> bool:
        try:
            narrow = self.at([name])
        except ArchError as error:
            self.why = self.why or f"with {name}={self._part(name)}: {error.diagnostics[0].message}"
            return False
        return narrow is not None and self._narrows(narrow)

    def at(self, names: Iterable[str]) -> Narrow | None:
        """The space with a part of these; None where it has other nodes then."""
        changed = {name: self._part(name) for name in names}
        program = elaborate(self.space, {**self.wide.parameters, **changed})
        twins = _twins(self.wide, program)
        return None if twins is None else Narrow(self.wide, program, self.parts, twins)

    def _part(self, name: str) -> int:
        value = self.wide.parameters[name]
        assert isinstance(value, int)
        return value // self.parts

    def _narrows(self, narrow: Narrow) -> bool:
        """Whether nothing about choices changes but channels, and these do."""
        changed = False
        for key in narrow.twins:
            for position in self.choices[key]:
                wide, found = (
                    self.wide.modules[key].nodes[position].type,
                    narrow.type(key, position),
                )
                if found not in (wide, narrow.part(wide)):
                    return False
                changed = changed or found != wide
        return changed


def _twins(wide: Program, narrow: Program) -> dict[str, str] | None:
    """Which graph stands for which, where all have the same nodes; else None."""
    found = {wide.root: narrow.root}
    for key, graph in reversed(tuple(wide.modules.items())):
        if key not in found:
            continue
        twin = narrow.modules[found[key]]
        if not _alike(graph, twin):
            return None
        for node, other in zip(graph.nodes, twin.nodes, strict=True):
            if isinstance(node.kind, Invoke) and isinstance(other.kind, Invoke):
                module = other.kind.module
                if found.setdefault(node.kind.module, module) != module:
                    return None
    return found


def _alike(graph: Graph, twin: Graph) -> bool:
    """Whether two graphs differ in sizes alone."""
    if len(graph.nodes) != len(twin.nodes) or graph.outputs != twin.outputs:
        return False
    if graph.definition != twin.definition or graph.holes != twin.holes:
        return False
    return all(_form(a) == _form(b) for a, b in zip(graph.nodes, twin.nodes, strict=True))


def _form(node: Node) -> object:
    """What a node is, without its sizes."""
    match node.kind:
        case Apply(operation, when):
            kind: object = (type(operation), when)
        case Invoke(_, steps):
            kind = steps
        case other:
            kind = other
    return type(node.kind), kind, node.args, node.path, node.under
