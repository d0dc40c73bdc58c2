"""Mixtures of maps on the first of their channels only; the rest pass by, and all are shuffled.

mix(f(x), g(x))    -> part = x[:, :4]
                      y = torch.cat((mix(f(part), g(part)), x[:, 4:]), dim=1)
                      F.channel_shuffle(y, 4)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from archdsl.ir.formula import ALWAYS
from archdsl.ir.graph import Apply, Choose, Graph, Invoke, Node, Program
from archdsl.ir.types import TensorType
from archdsl.ir.verifier import verify_program
from archdsl.ops.base import Operation, OperationError
from archdsl.ops.joins import Concat
from archdsl.ops.pooling import MaxPool
from archdsl.ops.rearrange import Channels, Shuffle
from archdsl.passes.driver import used
from archdsl.passes.narrow import Narrow, narrowed
from archdsl.passes.regions import between, dominators
from archdsl.syntax.errors import ArchError, fault
from archdsl.syntax.tree import Span

MAP = 3
"""The axes of what runs on a part of its channels: (C, H, W)."""


def partial_channels(program: Program, share: Fraction) -> Program:
    """The space whose choices among maps run on the first 1/K of the channels.

    A choice is one where all alternatives are computed from one value with as many channels as
    the result; what it holds is made anew at 1/K of all widths. The rest of the channels passes
    by, under a max pool where the choice has a stride; then K groups are shuffled, so that the
    next choice sees others. Paths of weights stay, their shapes do not. A share of 1 is the space
    as it is. Xu et al., "PC-DARTS: Partial Channel Connections for Memory-Efficient
    Architecture Search", section 3.2. Raises ArchError E0909 where no choice is like that, or one
    cannot be.
    """
    if share.numerator != 1:
        raise fault(
            "E0909",
            "the channels fall into parts of one size, of which one is taken",
            found=str(share),
            expected="1 over a whole number, as 1/4",
        )
    regions = {key: dict(_regions(graph)) for key, graph in program.modules.items()}
    if not any(regions.values()):
        raise _refused(f"no choice of {program.space} is computed from one map", program.net.span)
    if share == 1:
        return program
    choices = {key: tuple(found) for key, found in regions.items()}
    narrow = narrowed(program, choices, share.denominator)
    rewriter = _Program(program, narrow, regions)
    return verify_program(used(replace(program, modules=rewriter.modules())), "partial_channels")


def _refused(why: str, span: Span | None, found: str = "") -> ArchError:
    return fault(
        "E0909",
        why,
        span,
        found=found,
        expected="alternatives that map a map to one with as many channels",
        hint="leave --partial-channels out",
    )


@dataclass(frozen=True, slots=True)
class Region:
    """The value that a choice is computed from, and the nodes between, with the choice."""

    source: int
    inside: frozenset[int]


def _regions(graph: Graph) -> Iterator[tuple[int, Region]]:
    """The choices among maps that are computed from one map, by their positions."""
    above = dominators(graph)
    for position, node in enumerate(graph.nodes):
        if not isinstance(node.kind, Choose) or node.sizes is not None or not _is_map(node):
            continue
        source = max(above[position] - {position}, default=None)
        if source is None or not _is_map(graph.nodes[source]):
            continue
        inside = between(graph, source, position)
        if inside is not None:
            yield position, Region(source, inside)


def _is_map(node: Node) -> bool:
    return len(node.types) == 1 and len(node.type.shape) == MAP


@dataclass(slots=True)
class _Program:
    """Rewrites the graphs of a program, those that use others first."""

    program: Program
    narrow: Narrow
    regions: Mapping[str, Mapping[int, Region]]
    made: dict[str, Graph] = field(default_factory=dict)

    def modules(self) -> dict[str, Graph]:
        """All graphs by key, parts before the whole; what nothing uses stays as it was."""
        modules: dict[str, Graph] = {}
        reached = {self.program.root}
        for key, graph in reversed(tuple(self.program.modules.items())):
            if key in reached:
                graph = _Graph(self.narrow, key, graph, dict(self._edges(key, graph))).rewritten()
            reached.update(n.kind.module for n in graph.nodes if isinstance(n.kind, Invoke))
            modules[key] = graph
        narrow = self.narrow.graphs(reached - modules.keys())
        return narrow | dict(reversed(modules.items()))

    def _edges(self, key: str, graph: Graph) -> Iterator[tuple[int, Region]]:
        """The outermost choices that run on a part of the channels."""
        taken: set[int] = set()
        known = self.regions[key]
        for position, region in reversed(tuple(known.items())):
            if position in taken:
                continue
            why = self._why_not(key, graph, position, region)
            if not why:
                taken |= region.inside
                yield position, region
            elif not any(other in known for other in region.inside - {position}):
                kind = graph.nodes[position].kind
                assert isinstance(kind, Choose)
                span = next(hole.span for hole in graph.holes if hole.name == kind.hole)
                parts = self.narrow.parts
                raise _refused(f"{kind.hole} cannot run on 1/{parts} of its channels", span, why)

    def _why_not(self, key: str, graph: Graph, choice: int, region: Region) -> str:
        """What keeps a choice from running on a part of the channels; empty if nothing does."""
        before, after = graph.nodes[region.source].type, graph.nodes[choice].type
        if before.channels != after.channels:
            return f"{before} becomes {after}"
        for position in (region.source, choice):
            wide = graph.nodes[position].type
            found = self.narrow.type(key, position)
            if found != self.narrow.part(wide):
                return f"no parameter makes {wide} to {self.narrow.part(wide)}"
        if before.shape != after.shape and _pool(before, after) is None:
            return f"no max pool makes {before} to {after}"
        outside = {arg for i in region.inside for arg in graph.nodes[i].args} - region.inside
        for arg in outside - {region.source}:
            if self.narrow.type(key, arg) != graph.nodes[arg].type:
                return f"it takes another value, {graph.nodes[arg].type}"
        return ""


def _pool(before: TensorType, after: TensorType) -> MaxPool | None:
    """The pool of what passes by a choice with a stride: windows side by side."""
    stride = before.shape[1] // after.shape[1]
    pool = MaxPool(k=max(stride, 1), s=max(stride, 1), p=0)
    try:
        return pool if pool.infer((before,)) == after else None
    except OperationError:
        return None


@dataclass(slots=True)
class _Graph:
    """Writes a graph with its edges on a part of the channels."""

    narrow: Narrow
    key: str
    before: Graph
    edges: Mapping[int, Region]
    nodes: list[Node] = field(default_factory=list)
    position: dict[int, int] = field(default_factory=dict)

    def rewritten(self) -> Graph:
        edge_of = {i: edge for edge, region in self.edges.items() for i in region.inside}
        inner: dict[int, dict[int, int]] = {}
        for old, node in enumerate(self.before.nodes):
            edge = edge_of.get(old)
            if edge is None:
                self.position[old] = self._add(node, self.position)
                continue
            if edge not in inner:
                inner[edge] = {self.edges[edge].source: self._first(edge)}
            known = self.position | inner[edge]
            new = self.narrow.node(self.key, old)
            if old != edge:
                inner[edge][old] = self._add(new, known)
                continue
            mixed = self._add(replace(new, label=""), known)
            self.position[old] = self._rejoined(edge, mixed)
        outputs = tuple(self.position[output] for output in self.before.outputs)
        return replace(self.before, nodes=tuple(self.nodes), outputs=outputs)

    def _add(self, node: Node, position: Mapping[int, int]) -> int:
        self.nodes.append(replace(node, args=tuple(position[arg] for arg in node.args)))
        return len(self.nodes) - 1

    def _first(self, edge: int) -> int:
        """The position of the first channels of what a choice is computed from."""
        source = self.edges[edge].source
        count = self.narrow.part(self.before.nodes[source].type).channels
        return self._apply(edge, "part", Channels(last=count), self.position[source])

    def _rejoined(self, edge: int, mixed: int) -> int:
        """The position of all channels, shuffled."""
        source, choice = self.before.nodes[self.edges[edge].source], self.before.nodes[edge]
        rest = Channels(first=self.narrow.part(source.type).channels)
        past = self._apply(edge, "rest", rest, self.position[self.edges[edge].source])
        if source.type.shape != choice.type.shape:
            pool = _pool(source.type, choice.type)
            assert pool is not None
            past = self._apply(edge, "rest_pool", pool, past)
        whole = self._apply(edge, "whole", Concat(), mixed, past)
        last = self._apply(edge, "shuffle", Shuffle(groups=self.narrow.parts), whole)
        self.nodes[last] = replace(self.nodes[last], label=choice.label, span=choice.span)
        return last

    def _apply(self, edge: int, name: str, operation: Operation, *args: int) -> int:
        types = operation.results(tuple(self.nodes[arg].type for arg in args))
        kind = Apply(operation, (ALWAYS,) * len(args) if len(args) > 1 else ())
        under = self.before.nodes[edge].under
        path = (self._free(f"{name}_{edge}"),)
        self.nodes.append(Node(kind=kind, args=args, types=types, path=path, under=under))
        return len(self.nodes) - 1

    def _free(self, name: str) -> str:
        """The name, longer where something else has it."""
        taken = {node.path[0] for node in self.before.nodes if node.path}
        while name in taken:
            name += "_"
        return name
