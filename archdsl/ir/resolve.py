"""From a space to one architecture: every hole filled, nothing else changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from archdsl.ir.formula import ALWAYS, Taken, holds
from archdsl.ir.graph import Apply, Choose, Frame, Graph, Invoke, Node, Path, Program
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
    return replace(program, modules=resolver.modules, root=root, genotype=genotype)


@dataclass(slots=True)
class _Resolver:
    program: Program
    assignment: Assignment
    modules: dict[str, Graph] = field(default_factory=dict)
    seen: dict[tuple[str, ScopeKey], str] = field(default_factory=dict)
    keys: dict[tuple[object, ...], str] = field(default_factory=dict)
    open: dict[str, bool] = field(default_factory=dict)

    def module(self, key: str, scope: ScopeKey) -> str:
        """The key of a graph with its holes filled as this scope decides."""
        if not self.is_open(key):  # nothing to decide below: the same graph in every scope
            scope = ()
        if (key, scope) not in self.seen:
            graph, made = self._graph(self.program.modules[key], scope)
            if made not in self.keys:
                taken = key in self.modules
                self.keys[made] = f"{key}.{len(self.modules)}" if taken else key
                self.modules[self.keys[made]] = graph
            self.seen[key, scope] = self.keys[made]
        return self.seen[key, scope]

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

    def _graph(self, graph: Graph, scope: ScopeKey) -> tuple[Graph, tuple[object, ...]]:
        """The graph, and what tells it from others: its definition and what it decided."""
        taken = self._taken(scope)
        nodes: list[Node] = []
        position: dict[int, int] = {}
        invoked: list[str] = []
        for old, node in enumerate(graph.nodes):
            if not holds(node.under, taken):
                continue
            if isinstance(node.kind, Choose):
                (chosen,) = self.assignment[qualify(scope, node.kind.hole)]
                position[old] = position[node.args[chosen]]
                _label(nodes, position[old], node.label)
                continue
            position[old] = len(nodes)
            filled = self._filled(node, scope, taken, position)
            nodes.append(filled)
            if isinstance(filled.kind, Invoke):
                invoked.append(filled.kind.module)
        result = replace(
            graph,
            nodes=tuple(nodes),
            outputs=tuple(position[output] for output in graph.outputs),
            holes=(),
            frames=_live_frames(graph.frames, nodes),
        )
        decided = tuple(self.assignment.get(qualify(scope, hole.name)) for hole in graph.holes)
        return result, (id(graph), decided, tuple(invoked))

    def _filled(
        self,
        node: Node,
        scope: ScopeKey,
        taken: Callable[[Taken], bool],
        position: Mapping[int, int],
    ) -> Node:
        kind, args = node.kind, node.args
        if isinstance(kind, Apply) and kind.when:
            args = tuple(
                arg for arg, when in zip(args, kind.when, strict=True) if holds(when, taken)
            )
            kind = Apply(kind.operation)
        elif isinstance(kind, Invoke):
            used = self.program.modules[kind.module]
            kind = Invoke(self.module(kind.module, inner_scope(used, scope, node.path)))
        return replace(node, kind=kind, args=tuple(position[arg] for arg in args), under=ALWAYS)

    def _taken(self, scope: ScopeKey) -> Callable[[Taken], bool]:
        assignment = self.assignment
        return lambda atom: atom.alternative in assignment.get(qualify(scope, atom.hole), ())


def _label(nodes: list[Node], position: int, label: str) -> None:
    """A chosen value takes the name that the choice was bound to."""
    if label and not nodes[position].label:
        nodes[position] = replace(nodes[position], label=label)


def _live_frames(frames: Mapping[Path, Frame], nodes: list[Node]) -> dict[Path, Frame]:
    prefixes = {node.path[:depth] for node in nodes for depth in range(1, len(node.path))}
    return {path: frame for path, frame in frames.items() if path in prefixes}
