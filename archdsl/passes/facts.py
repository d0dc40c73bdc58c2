"""What passes ask about a module that is used: is its result zero, has it effects?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from archdsl.ir.graph import Apply, Graph, Input, Invoke, Item, Kind
from archdsl.ir.scan import sources
from archdsl.ops.base import Operation, Types
from archdsl.ops.constants import Zero
from archdsl.ops.fused import Zeros
from archdsl.ops.joins import Product

Modules = Mapping[str, Graph]

Leads: TypeAlias = dict[str, tuple[frozenset[int], ...]]
"""For each module which outputs each input leads to."""


def zero_results(graph: Graph, modules: Modules, empty: tuple[bool, ...]) -> tuple[bool, ...]:
    """Which results of a module are zero, given which of its inputs are."""
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
    graph = modules[use.module]
    if not use.steps:
        return zero_results(graph, modules, empty)
    known = zero_results(graph, modules, (False,) * len(empty))
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
    known: Leads,
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
                for argument, leads in zip(args, inputs_lead(module, modules, known), strict=True):
                    if taken := leads & results.keys():
                        note(argument, 0, frozenset().union(*(results[r] for r in taken)))
            case _:
                for argument in args if _passes_gradients(kind, args) else ():
                    note(argument, 0, frozenset().union(*results.values()))
    return {p: frozenset().union(*results.values()) for p, results in found.items()}


def _passes_gradients(kind: Kind, args: Sequence[int]) -> bool:
    """Not so what is zero whatever goes in: it is made anew."""
    return not (isinstance(kind, Apply) and gives_zero(kind.operation, (), [False] * len(args)))


def inputs_lead(key: str, modules: Modules, known: Leads) -> tuple[frozenset[int], ...]:
    """Which outputs of a module each of its inputs leads to; `known` are those told before."""
    if key not in known:
        graph = modules[key]
        leads = leads_to(
            graph.outputs,
            range(len(graph.nodes)),
            lambda position: (graph.nodes[position].kind, graph.nodes[position].args),
            modules,
            known,
        )
        known[key] = tuple(leads.get(position, frozenset()) for position in graph.inputs)
    return known[key]


def has_effects(graph: Graph, modules: Modules) -> bool:
    """Whether running a module twice differs from running it once: randomness, statistics."""
    for node in graph.nodes:
        match node.kind:
            case Apply(operation):
                traits = operation.traits(tuple(graph.nodes[a].type for a in node.args))
                if traits.random or traits.batch_statistics:
                    return True
            case Invoke(module) if has_effects(modules[module], modules):
                return True
            case _:
                pass
    return False


def has_weights(graph: Graph, modules: Modules) -> bool:
    """Whether a module holds any parameter or buffer."""
    for node in graph.nodes:
        match node.kind:
            case Apply(operation):
                if operation.weights(tuple(graph.nodes[a].type for a in node.args)):
                    return True
            case Invoke(module) if has_weights(modules[module], modules):
                return True
            case _:
                pass
    return False
