"""What passes ask about the modules that a graph uses: zero results, effects, weights, size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from archdsl.ir.graph import Apply, Graph, Input, Invoke, Item, Kind, Node
from archdsl.ir.scan import sources
from archdsl.ops.base import Operation, Types
from archdsl.ops.constants import Zero
from archdsl.ops.fused import Zeros
from archdsl.ops.joins import Product

Leads: TypeAlias = tuple[frozenset[int], ...]
"""For each input of a module the outputs that it leads to."""


@dataclass(frozen=True, slots=True)
class Inside:
    """What is in a module and in those that it uses: calls, elements of weights, effects."""

    calls: int = 0
    weights: int = 0
    random: bool = False
    batch_statistics: bool = False

    @property
    def has_effects(self) -> bool:
        """Whether running it twice differs from running it once."""
        return self.random or self.batch_statistics

    def __add__(self, other: Inside) -> Inside:
        return Inside(
            calls=self.calls + other.calls,
            weights=self.weights + other.weights,
            random=self.random or other.random,
            batch_statistics=self.batch_statistics or other.batch_statistics,
        )


class Modules(dict[str, Graph]):
    """The graphs that a graph may use, by their keys, each set once.

    What is told of one is remembered: uses in uses would take exponential time otherwise.
    """

    def __init__(self, graphs: Mapping[str, Graph] | None = None) -> None:
        super().__init__(graphs or {})
        self._inside: dict[str, Inside] = {}
        self._zeros: dict[tuple[str, tuple[bool, ...]], tuple[bool, ...]] = {}
        self._leads: dict[str, Leads] = {}

    def inside(self, key: str) -> Inside:
        """What is in a module."""
        if key not in self._inside:
            graph = self[key]
            self._inside[key] = sum((self.of(graph, node) for node in graph.nodes), Inside())
        return self._inside[key]

    def of(self, graph: Graph, node: Node) -> Inside:
        """What a node of a graph is, or what is in what it uses."""
        match node.kind:
            case Apply(operation):
                traits = operation.traits(graph.types_in(node))
                weights = sum(weight.elements for weight in graph.weights_of(node))
                return Inside(1, weights, traits.random, traits.batch_statistics)
            case Invoke(module):
                return self.inside(module)
            case _:
                return Inside()

    def zero_results(self, key: str, empty: tuple[bool, ...]) -> tuple[bool, ...]:
        """Which results of a module are zero, given which of its inputs are."""
        if (key, empty) not in self._zeros:
            self._zeros[key, empty] = _zero_results(self[key], self, empty)
        return self._zeros[key, empty]

    def inputs_lead(self, key: str) -> Leads:
        """Which outputs of a module each of its inputs leads to."""
        if key not in self._leads:
            graph = self[key]
            leads = leads_to(
                graph.outputs,
                range(len(graph.nodes)),
                lambda position: (graph.nodes[position].kind, graph.nodes[position].args),
                self,
            )
            self._leads[key] = tuple(leads.get(input_, frozenset()) for input_ in graph.inputs)
        return self._leads[key]


def _zero_results(graph: Graph, modules: Modules, empty: tuple[bool, ...]) -> tuple[bool, ...]:
    inputs = iter(empty)
    known: list[tuple[bool, ...]] = []
    for node in graph.nodes:
        given = tuple(known[argument][0] for argument in node.args)
        match node.kind:
            case Input():
                known.append((next(inputs),))
            case Item(index):
                known.append((known[node.args[0]][index],))
            case Invoke():
                known.append(use_results(node.kind, modules, given))
            case Apply(operation):
                types = tuple(graph.nodes[argument].type for argument in node.args)
                known.append((gives_zero(operation, types, given),) * len(node.types))
            case _:
                known.append((False,) * len(node.types))
    return tuple(known[output][0] for output in graph.outputs)


def use_results(use: Invoke, modules: Modules, empty: tuple[bool, ...]) -> tuple[bool, ...]:
    """Which results of a use are zero. A scan's are where its step's are, whatever goes in."""
    if not use.steps:
        return modules.zero_results(use.module, empty)
    known = modules.zero_results(use.module, (False,) * len(empty))
    return tuple(known[source] for source in sources(len(empty) - 1, len(known)))


def gives_zero(operation: Operation, types: Types, empty: Sequence[bool]) -> bool:
    """Whether a result is zero, given which inputs are: the one law of what passes zero on."""
    if isinstance(operation, Zero | Zeros):
        return True
    if isinstance(operation, Product):
        return any(empty)
    return bool(empty) and all(empty) and operation.traits(types).zero


def leads_to(
    outputs: Sequence[int],
    order: Sequence[int],
    node: Callable[[int], tuple[Kind, Sequence[int]]],
    modules: Modules,
) -> dict[int, frozenset[int]]:
    """Which of the outputs each value leads to, by position; what leads to none is left out.

    A value that only goes where nothing takes it has no gradient, not one that is zero. `order`:
    positions, arguments first. `node`: the kind and the arguments of one.
    """
    found: dict[int, dict[int, frozenset[int]]] = {}  # for each result of a node

    def note(position: int, result: int, ends: frozenset[int]) -> None:
        results = found.setdefault(position, {})
        results[result] = results.get(result, frozenset()) | ends

    for index, output in enumerate(outputs):
        note(output, 0, frozenset((index,)))
    for position in reversed(order):
        if position not in found:
            continue
        results = found[position]
        kind, args = node(position)
        match kind:
            case Item(index):
                note(args[0], index, results[0])
            case Invoke(module, steps=0):
                for argument, leads in zip(args, modules.inputs_lead(module), strict=True):
                    if taken := leads & results.keys():
                        note(argument, 0, frozenset().union(*(results[r] for r in taken)))
            case _:
                for argument in args if _passes_gradients(kind, args) else ():
                    note(argument, 0, frozenset().union(*results.values()))
    return {p: frozenset().union(*results.values()) for p, results in found.items()}


def _passes_gradients(kind: Kind, args: Sequence[int]) -> bool:
    """Not so what is zero whatever goes in: it is made anew."""
    return not (isinstance(kind, Apply) and gives_zero(kind.operation, (), [False] * len(args)))
