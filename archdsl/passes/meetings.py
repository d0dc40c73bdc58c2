"""Which calls hide what a pass could make one: patterns, read across the borders of modules.

Nothing is rewritten: the nodes of some uses are walked where they are used, and values that are
equal get one number.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass, field

from archdsl.ir.graph import Apply, Graph, Input, Invoke, Item, Node, Path
from archdsl.ops.base import Operation
from archdsl.ops.batches import SplitBatch, StackBatch
from archdsl.ops.fused import Average, Split
from archdsl.ops.joins import Mean, Sum
from archdsl.passes.facts import Modules
from archdsl.passes.step import Applied, Pattern, Stand

Values = tuple[int, ...]

OUTSIDE = -1
"""The owner of what is in no use."""


def meeting(
    graph: Graph,
    modules: Modules,
    order: Iterable[int],
    uses: Collection[int],
    patterns: Sequence[Pattern],
) -> set[int]:
    """Those of some uses in which something meets its like in another one, or outside of all.

    `order` are the positions to look at, each after what it takes. A use of several results may
    be met by itself: what leads to different results in it may lead to one thing outside.
    """
    walk = _Walk(modules, patterns)
    known: dict[int, Values] = {}
    for position in order:
        node = graph.nodes[position]
        args = [known[argument] for argument in node.args]
        if position in uses:
            known[position] = walk.enter(node, args, position)
        else:
            known[position] = walk.value(graph, node, args, (), OUTSIDE)
    return walk.met(graph)


@dataclass(slots=True)
class _Walk:
    modules: Modules
    patterns: Sequence[Pattern]
    numbers: dict[Hashable, Values] = field(default_factory=dict)
    made: dict[int, tuple[Applied, int]] = field(default_factory=dict)
    """The operation behind each value that is worth a class, and its owner."""
    groups: dict[Hashable, list[int]] = field(default_factory=dict)
    """The owners of operations that could become one."""
    owners: dict[int, set[int]] = field(default_factory=dict)
    """Who computes each value."""
    results: dict[int, Values] = field(default_factory=dict)
    """What each use gives."""
    count: int = 0

    def enter(self, use: Node, args: Sequence[Values], owner: int) -> Values:
        """The results of a use, node by node of its module."""
        assert isinstance(use.kind, Invoke)
        graph = self.modules[use.kind.module]
        inputs = iter(args)
        known: list[Values] = []
        for node in graph.nodes:
            if isinstance(node.kind, Input):
                known.append(next(inputs))
            else:
                given = [known[argument] for argument in node.args]
                known.append(self.value(graph, node, given, use.path, owner))
        self.results[owner] = tuple(known[output][0] for output in graph.outputs)
        return self.results[owner]

    def value(
        self, graph: Graph, node: Node, args: Sequence[Values], prefix: Path, owner: int
    ) -> Values:
        """The numbers of a node's results."""
        values = self._value(graph, node, args, prefix, owner)
        if not isinstance(node.kind, Item):
            for value in values:
                self.owners.setdefault(value, set()).add(owner)
        return values

    def _value(
        self, graph: Graph, node: Node, args: Sequence[Values], prefix: Path, owner: int
    ) -> Values:
        match node.kind:
            case Item(index):
                return (args[0][index],)
            case Apply(operation):
                seen = applied(graph, node, operation, prefix)
                return self._apply(seen, tuple([arg[0] for arg in args]), len(node.types), owner)
            case Invoke():
                # with weights it is like no other, but no harm is done: it is tried
                key = (node.kind, tuple(args))
                self.groups.setdefault(key, []).append(owner)
                return self._number(key, len(node.types))
            case _:
                return self._fresh(len(node.types))

    def _apply(self, seen: Applied, args: Values, results: int, owner: int) -> Values:
        worth = worth_a_class(seen)
        values: Values | None = None
        for pattern in self.patterns:
            key = pattern.key(seen)
            if pattern.stand is Stand.EQUAL and key is not None:
                values = self._number((key, tuple(sorted(args))), results)  # in whatever order
            if key is not None and worth:
                self._meet(pattern, key, args, owner)
            if pattern.stand is Stand.TERMS and isinstance(seen.operation, Sum | Mean | Average):
                self._terms(pattern, args, owner)
        values = values or self._fresh(results)
        if worth:
            self.made.update((value, (seen, owner)) for value in values)
        return values

    def _meet(self, pattern: Pattern, key: Hashable, args: Values, owner: int) -> None:
        """Put an operation to those that it could become one with."""
        match pattern.stand:
            case Stand.EQUAL | Stand.SIBLINGS:
                self.groups.setdefault((pattern, key, tuple(sorted(args))), []).append(owner)
            case Stand.TIED:
                self.groups.setdefault((pattern, key), []).append(owner)
            case Stand.LINKS:
                self._links(pattern, args, owner)
            case Stand.TERMS:
                pass  # when the sum is seen

    def _terms(self, pattern: Pattern, args: Values, owner: int) -> None:
        """What a sum takes that is alike; in whose sum it is matters as well."""
        alike: dict[Hashable, list[int]] = {}
        for argument in set(args):
            if argument in self.made:
                seen, of = self.made[argument]
                key = pattern.key(seen)
                if key is not None:
                    alike.setdefault(key, []).append(of)
        for owners in alike.values():
            if len(owners) > 1:
                self._group([*owners, owner])

    def _links(self, pattern: Pattern, args: Values, owner: int) -> None:
        for argument in args:
            if argument in self.made:
                seen, of = self.made[argument]
                if pattern.key(seen) is not None:
                    self._group([of, owner])

    def _group(self, owners: list[int]) -> None:
        self.groups[len(self.groups)] = owners

    def _number(self, key: Hashable, results: int) -> Values:
        if key not in self.numbers:
            self.numbers[key] = self._fresh(results)
        return self.numbers[key]

    def _fresh(self, results: int) -> Values:
        self.count += results
        return tuple(range(self.count - results, self.count))

    def met(self, graph: Graph) -> set[int]:
        """The uses in a group with another, or twice where they have several results.

        What gives a value that is known outside of it hides that what takes it could meet.
        """
        groups = [owners for owners in self.groups.values() if len(owners) > 1]
        found: set[int] = set()
        for owners in groups:
            several = len(set(owners)) > 1
            found.update(o for o in owners if several or len(graph.nodes[o].types) > 1)
        if groups:
            found.update(use for use in self.results if self._gives_known(use))
        return found - {OUTSIDE}

    def _gives_known(self, use: int) -> bool:
        return any(self.owners[result] - {use} for result in self.results[use])


def applied(graph: Graph, node: Node, operation: Operation, prefix: Path = ()) -> Applied:
    """A node's operation with what is known of it; `prefix` is the path of its module's use."""
    types = graph.types_in(node)
    return Applied(
        operation=operation,
        types=types,
        path=(*prefix, *node.path),
        traits=operation.traits(types),
        weightless=not graph.weights_of(node),
    )


def worth_a_class(seen: Applied) -> bool:
    """Whether an operation has weights or mixes positions, as a pool does: no activation."""
    if isinstance(seen.operation, Split | StackBatch | SplitBatch):
        return False
    return not (seen.weightless and seen.traits.per_position)
