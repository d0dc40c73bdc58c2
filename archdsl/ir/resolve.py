"""From a space to one architecture: every hole filled, nothing else changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from archdsl.ir.cases import select
from archdsl.ir.formula import ALWAYS, All, Formula, Taken, holds
from archdsl.ir.graph import (
    USE,
    Apply,
    Choose,
    Frame,
    Graph,
    Invoke,
    Kind,
    Node,
    Path,
    Program,
    Variant,
)
from archdsl.ir.scopes import ScopeKey, inner_scope, qualify

Assignment: TypeAlias = Mapping[str, tuple[int, ...]]
"""What each decision takes: its key (see `scopes`) to the alternatives' indices, ascending.

A decision that does not exist under the others is absent.
"""


def resolve(program: Program, assignment: Assignment, genotype: str) -> Program:
    """The architecture that an assignment picks: a program without holes.

    The text as written remains, dead branches included; only what stands inside alternatives
    that are not taken is gone. Names of weights are those of the space, so a network's are
    a subset of its supernet's.
    """
    resolver = _Resolver(program, assignment)
    root = resolver.module(program.root, (program.net.definition,))
    return replace(program, modules=resolver.modules, root=root, genotype=genotype, part=None)


@dataclass(slots=True)
class _Resolver:
    program: Program
    assignment: Assignment
    modules: dict[str, Graph] = field(default_factory=dict)
    seen: dict[tuple[str, ScopeKey, int], str] = field(default_factory=dict)
    keys: dict[tuple[object, ...], str] = field(default_factory=dict)
    open: dict[str, bool] = field(default_factory=dict)

    def module(self, key: str, scope: ScopeKey, row: int = 0) -> str:
        """The key of a graph with its holes filled as this scope decides.

        `row`: which of the sizes that its uses give it.
        """
        if not self.is_open(key):  # nothing to decide below: the same graph in every scope
            scope = ()
        if (key, scope, row) not in self.seen:
            graph, made = self._graph(self.program.modules[key], scope, row)
            if made not in self.keys:
                taken = key in self.modules
                self.keys[made] = f"{key}.{len(self.modules)}" if taken else key
                self.modules[self.keys[made]] = graph
            self.seen[key, scope, row] = self.keys[made]
        return self.seen[key, scope, row]

    def is_open(self, key: str) -> bool:
        """Whether something inside is decided in the scope of the use."""
        if key not in self.open:
            graph = self.program.modules[key]
            self.open[key] = bool(graph.holes) or any(
                self.is_open(node.kind.module)
                for node in graph.nodes
                if isinstance(node.kind, Invoke)
            )
        return self.open[key]

    def _graph(self, graph: Graph, scope: ScopeKey, row: int) -> tuple[Graph, tuple[object, ...]]:
        """The graph, and what tells it from others: its definition and what it decided."""
        decided = [self.assignment.get(qualify(scope, hole.name)) for hole in graph.holes]
        chosen = {h.name: taken or () for h, taken in zip(graph.holes, decided, strict=True)}
        chosen[USE] = (row,)
        nodes: list[Node] = []
        position: dict[int, int] = {}
        invoked: list[str] = []
        for old, node in enumerate(graph.nodes):
            if not lives(node.under, chosen):
                continue
            kind = node.kind
            if isinstance(kind, Choose):
                (taken,) = chosen[kind.hole]
                position[old] = position[node.args[taken]]
                _label(nodes, position[old], node.label)
                continue
            position[old] = len(nodes)
            if isinstance(kind, Invoke):
                used = self.program.modules[kind.module]
                inner = inner_scope(used, scope, node.path)
                size = variant_of(node, chosen)
                invoked.append(self.module(kind.module, inner, size.row if size else 0))
                kind = replace(kind, module=invoked[-1])
            nodes.append(_filled(node, kind, chosen, position))
        result = replace(
            graph,
            nodes=tuple(nodes),
            outputs=tuple(position[output] for output in graph.outputs),
            holes=(),
            arguments=graph.rows[row] if graph.rows else graph.arguments,
            rows=(),
            frames=live_frames(graph.frames, nodes) if graph.frames else {},
        )
        return result, (id(graph), row, tuple(decided), tuple(invoked))


Chosen: TypeAlias = Mapping[str, tuple[int, ...]]


def variant_of(node: Node, chosen: Chosen) -> Variant | None:
    """The size of a node under these decisions, where it depends on any."""
    if node.sizes is None:
        return None
    return select(node.sizes.variants, lambda hole: chosen[hole][0])


def lives(formula: Formula, chosen: Chosen) -> bool:
    """Whether a formula holds; the two that almost all nodes have are answered at once."""
    if isinstance(formula, Taken):
        return formula.alternative in chosen[formula.hole]
    if isinstance(formula, All) and not formula.terms:
        return True
    return holds(formula, lambda atom: atom.alternative in chosen[atom.hole])


def _filled(node: Node, kind: Kind, chosen: Chosen, position: Mapping[int, int]) -> Node:
    """The node of the network, which is the node itself where nothing was open."""
    args = node.args
    if isinstance(kind, Apply) and kind.when:
        present = zip(args, kind.when, strict=True)
        args = tuple([arg for arg, when in present if lives(when, chosen)])
        kind = Apply(kind.operation)
    args = tuple([position[arg] for arg in args])
    if (size := variant_of(node, chosen)) is not None:
        kind = Apply(size.operation) if size.operation is not None else kind
        node = replace(node, types=size.types, sizes=None, under=ALWAYS)
    if kind is node.kind and args == node.args and node.under == ALWAYS:
        return node
    return Node(
        kind=kind,
        args=args,
        types=node.types,
        path=node.path,
        label=node.label,
        span=node.span,
    )


def _label(nodes: list[Node], position: int, label: str) -> None:
    """A chosen value takes the name that the choice was bound to."""
    if label and not nodes[position].label:
        nodes[position] = replace(nodes[position], label=label)


def live_frames(frames: Mapping[Path, Frame], nodes: list[Node]) -> dict[Path, Frame]:
    """The frames that still hold something."""
    prefixes = {node.path[:depth] for node in nodes for depth in range(1, len(node.path))}
    return {path: frame for path, frame in frames.items() if path in prefixes}
