"""A space as the tree of its uses: which decisions every use of a module reads.

Figures of many architectures need no program of each: they follow from the graphs with holes and
from what the decisions take. A use is one module in one scope of decision; equal uses are one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from archdsl.ir.graph import Graph, Invoke, Program
from archdsl.ir.scopes import ScopeKey, deciding, inner_scope, qualify
from archdsl.space.forest import Partial

Decided: TypeAlias = tuple[tuple[int, ...] | None, ...]
"""What the holes of one graph take, in their order; None for one that does not exist."""


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """One module in one scope. `inner` are the uses in it, by the positions of their nodes."""

    module: str
    graph: Graph
    holes: tuple[int, ...]
    """The decision of each hole, by its index in the space; -1 where it never exists."""
    inner: Mapping[int, Use]

    def decided(self, choices: Partial) -> Decided:
        """What the holes of the graph take in an architecture."""
        return tuple([choices[hole] if hole >= 0 else None for hole in self.holes])


def uses(program: Program, keys: Sequence[str]) -> Use:
    """The tree of a program whose decisions have these keys, in their order."""
    return _Uses(program, keys).root()


def distinct(root: Use) -> Iterator[Use]:
    """Every use once, those inside before those around them."""
    seen: set[int] = set()
    stack = [(root, iter(root.inner.values()))]
    while stack:
        use, inner = stack[-1]
        following = next((u for u in inner if id(u) not in seen), None)
        if following is not None:
            stack.append((following, iter(following.inner.values())))
            continue
        stack.pop()
        if id(use) not in seen:
            seen.add(id(use))
            yield use


@dataclass(slots=True)
class _Uses:
    program: Program
    keys: Sequence[str]
    position: dict[str, int] = field(init=False)
    open: frozenset[str] = field(init=False)
    known: dict[tuple[str, ScopeKey], Use] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.position = {key: i for i, key in enumerate(self.keys)}
        self.open = deciding(self.program)

    def root(self) -> Use:
        return self._use(self.program.root, (self.program.net.definition,))

    def _use(self, module: str, scope: ScopeKey) -> Use:
        if module not in self.open:  # nothing to decide below: the same in every scope
            scope = ()
        if (module, scope) not in self.known:
            graph = self.program.modules[module]
            inner = {
                position: self._use(
                    node.kind.module,
                    inner_scope(self.program.modules[node.kind.module], scope, node.path),
                )
                for position, node in enumerate(graph.nodes)
                if isinstance(node.kind, Invoke)
            }
            holes = (self.position.get(qualify(scope, hole.name), -1) for hole in graph.holes)
            self.known[module, scope] = Use(module, graph, tuple(holes), inner)
        return self.known[module, scope]
