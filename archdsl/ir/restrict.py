"""From a space to a part of it: decisions keep some of their alternatives, the others are gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias, TypeVar

from archdsl.ir.cases import Cases, Tree, branch, change
from archdsl.ir.formula import NEVER, All, Any, Formula, Not, Taken, all_of, any_of, negate
from archdsl.ir.graph import (
    Apply,
    Choose,
    Graph,
    Hole,
    Invoke,
    Kind,
    Node,
    Part,
    Program,
    Sizes,
    Variant,
)
from archdsl.ir.resolve import live_frames
from archdsl.ir.scopes import ScopeKey, deciding, inner_scope, qualify
from archdsl.ir.verifier import verify_program

T = TypeVar("T")
Numbers: TypeAlias = Mapping[str, Mapping[int, int]]
"""For every hole, by its name, the kept alternatives: their numbers before, and those after."""


def restrict(program: Program, kept: Mapping[str, tuple[int, ...]]) -> Program:
    """The program in which every decision, by its key, has these alternatives left.

    What stands inside others is gone from the graphs. Names of weights stay, so they are a subset
    of those before, and so do shapes: what several sizes share is as large as before. A decision
    is a hole still if one alternative is left. `kept` has all decisions, each with as many as it
    takes, ascending, and leaves whoever governs another one with something to leave open to it.
    """
    parts = _Parts(program, kept, deciding(program))
    root = parts.module(program.root, (program.net.definition,))
    part = Part(whole=program, kept=dict(kept))
    return verify_program(replace(program, modules=parts.modules, root=root, part=part), "restrict")


@dataclass(slots=True)
class _Parts:
    """The graphs of the part. One graph becomes several where its scopes keep differently."""

    program: Program
    kept: Mapping[str, tuple[int, ...]]
    open: frozenset[str]
    modules: dict[str, Graph] = field(default_factory=dict)
    seen: dict[tuple[str, ScopeKey], str] = field(default_factory=dict)
    keys: dict[tuple[object, ...], str] = field(default_factory=dict)

    def module(self, key: str, scope: ScopeKey) -> str:
        """The key of a graph with what is left in this scope."""
        if key not in self.open:
            scope = ()
        if (key, scope) not in self.seen:
            graph, made = self._graph(self.program.modules[key], scope)
            if made not in self.keys:
                taken = key in self.modules
                self.keys[made] = f"{key}.{len(self.modules)}" if taken else key
                self.modules[self.keys[made]] = graph
            self.seen[key, scope] = self.keys[made]
        return self.seen[key, scope]

    def _graph(self, graph: Graph, scope: ScopeKey) -> tuple[Graph, tuple[object, ...]]:
        """The graph, and what tells it from others."""
        left = tuple(self.kept[qualify(scope, hole.name)] for hole in graph.holes)
        numbers = {
            hole.name: {old: new for new, old in enumerate(some)}
            for hole, some in zip(graph.holes, left, strict=True)
        }
        nodes: list[Node] = []
        position: dict[int, int] = {}
        invoked: list[str] = []
        for old, node in enumerate(graph.nodes):
            under = narrowed(node.under, numbers)
            if under == NEVER:
                continue
            position[old] = len(nodes)
            kind = node.kind
            if isinstance(kind, Invoke):
                inner = inner_scope(self.program.modules[kind.module], scope, node.path)
                invoked.append(self.module(kind.module, inner))
                kind = replace(kind, module=invoked[-1])
            nodes.append(_left(replace(node, kind=kind, under=under), numbers, position))
        result = replace(
            graph,
            nodes=tuple(nodes),
            outputs=tuple(position[output] for output in graph.outputs),
            holes=tuple(
                narrow_hole(hole, numbers)
                for hole in graph.holes
                if narrowed(hole.under, numbers) != NEVER
            ),
            frames=live_frames(graph.frames, nodes),
        )
        return result, (id(graph), left, tuple(invoked))


def _left(node: Node, numbers: Numbers, position: Mapping[int, int]) -> Node:
    """A node that is still there, with those of its arguments that are."""
    kind, chosen = _arguments(node, numbers, position)
    every = len(chosen) == len(node.args)
    return replace(
        node,
        kind=kind,
        args=tuple(position[node.args[i]] for i in chosen),
        sizes=node.sizes and _sizes(node.sizes, numbers, None if every else chosen),
    )


def _arguments(
    node: Node, numbers: Numbers, position: Mapping[int, int]
) -> tuple[Kind, Sequence[int]]:
    """What a node is, and which of its arguments it has."""
    match node.kind:
        case Choose(hole):
            # Where the context rules an alternative out, another stands for it; that may be gone.
            alive = next(i for i in numbers[hole] if node.args[i] in position)
            return node.kind, [i if node.args[i] in position else alive for i in numbers[hole]]
        case Apply(operation, when) if when:
            left = [(i, narrowed(formula, numbers)) for i, formula in enumerate(when)]
            left = [(i, w) for i, w in left if w != NEVER and node.args[i] in position]
            return Apply(operation, tuple(w for _, w in left)), [i for i, _ in left]
        case _:
            return node.kind, range(len(node.args))


def _sizes(sizes: Sizes, numbers: Numbers, chosen: Sequence[int] | None) -> Sizes:
    """The sizes that are left; `chosen`, the arguments that are, where some are not."""

    def fewer(variant: Variant) -> Variant:
        if chosen is None or not variant.inputs:
            return variant
        return replace(variant, inputs=tuple(variant.inputs[i] for i in chosen))

    inputs = sizes.inputs
    return replace(
        sizes,
        inputs=tuple(inputs[i] for i in chosen) if chosen is not None and inputs else inputs,
        variants=change(_tree(sizes.variants, numbers), fewer),
        numbers=tuple(
            replace(number, values=_tree(number.values, numbers)) for number in sizes.numbers
        ),
    )


def _tree(tree: Tree[T], numbers: Numbers) -> Tree[T]:
    """A tree with the branches that are left; one alone is no question any more."""
    if not isinstance(tree, Cases):
        return tree
    new = numbers.get(tree.hole)
    if new is None:  # which use it is
        return branch(tree.hole, tuple((n, _tree(case, numbers)) for n, case in tree.of))
    left = tuple((new[n], _tree(case, numbers)) for n, case in tree.of if n in new)
    # Without any, what asks is reached under none of what is left: any answer will do.
    return branch(tree.hole, left) if left else _tree(tree.of[0][1], numbers)


def narrowed(formula: Formula, numbers: Numbers) -> Formula:
    """A formula where alternatives that are gone are never taken."""
    match formula:
        case Taken(hole, alternative):
            new = numbers[hole].get(alternative)
            return NEVER if new is None else Taken(hole, new)
        case All(terms):
            return all_of(narrowed(term, numbers) for term in terms)
        case Any(terms):
            return any_of(narrowed(term, numbers) for term in terms)
        case Not(term):
            return negate(narrowed(term, numbers))


def narrow_hole(hole: Hole, numbers: Numbers) -> Hole:
    """A hole with the alternatives that are left, of itself and of those it depends on."""
    own = numbers[hole.name]
    parent = hole.parent
    if parent is not None:
        outer = numbers[parent[0]]
        parent = (parent[0], tuple(outer[a] for a in parent[1] if a in outer))
    allowed = tuple(
        tuple(own[a] for a in hole.allowed[case] if a in own)
        for case in (numbers[hole.governor] if hole.governor else ())
    )
    return replace(
        hole,
        labels=tuple(hole.labels[a] for a in own),
        under=narrowed(hole.under, numbers),
        parent=parent,
        allowed=allowed,
    )
