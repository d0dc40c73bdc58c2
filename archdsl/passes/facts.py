"""What passes ask about a module that is used: is its result zero, has it effects?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archdsl.ir.graph import Apply, Graph, Input, Invoke, Item, Kind
from archdsl.ir.scan import sources
from archdsl.ops.base import Operation, Types
from archdsl.ops.constants import Zero
from archdsl.ops.fused import Zeros
from archdsl.ops.joins import Product

Modules = Mapping[str, Graph]


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


def inputs_taken(
    key: str, modules: Modules, known: dict[str, tuple[bool, ...]]
) -> tuple[bool, ...]:
    """Which inputs of a module its outputs depend on; `known` are those told before.

    A value that only goes where nothing takes it has no gradient, not one that is zero.
    """
    if key not in known:
        graph = modules[key]
        needed: set[int] = set()
        todo = list(graph.outputs)
        while todo:
            position = todo.pop()
            if position not in needed:
                needed.add(position)
                node = graph.nodes[position]
                todo += taken_arguments(node.kind, node.args, modules, known)
        known[key] = tuple(position in needed for position in graph.inputs)
    return known[key]


def taken_arguments(
    kind: Kind, args: Sequence[int], modules: Modules, known: dict[str, tuple[bool, ...]]
) -> list[int]:
    """The arguments of a node that its results depend on; a scan's all count."""
    if not isinstance(kind, Invoke) or kind.steps:
        return list(args)
    taken = inputs_taken(kind.module, modules, known)
    return [argument for argument, is_taken in zip(args, taken, strict=True) if is_taken]


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
