"""Activations and sums that write over an input which nothing else needs.

relu(bn(x))  -> relu_(bn(x))
x + bn(y)    -> bn(y).add_(x)

A copy less to write and to read, and while training one map less to keep for the gradient.
"""

from __future__ import annotations

from collections.abc import Sequence

from archdsl.ir.graph import Apply, Graph, Input, Invoke
from archdsl.ops.activation import Activation
from archdsl.ops.base import Operation, Types
from archdsl.ops.in_place import AddInPlace, InPlace
from archdsl.ops.joins import Sum
from archdsl.ops.normalisation import BatchNorm
from archdsl.passes.draft import Draft, Rewrite
from archdsl.passes.facts import Modules
from archdsl.syntax.tree import ModuleKind


def in_place(graph: Graph, modules: Modules) -> Rewrite:
    """Let activations and sums of two overwrite what is made for them alone.

    Exact in training: only where the gradient of the activation follows from its result, and
    that of what made its input does not need that. Other activations keep a copy while training,
    so they are left to `still_in_place`. Never over what the caller gave or anything else reads.
    """
    return _overwritten(graph, modules, training=True)


def still_in_place(graph: Graph, modules: Modules) -> Rewrite:
    """`in_place` for a network that is not trained any more: all activations that can."""
    return _overwritten(graph, modules, training=False)


def _overwritten(graph: Graph, modules: Modules, training: bool) -> Rewrite:
    draft = Draft(graph, modules)
    consumers = draft.consumers()
    given = [graph.kind is not ModuleKind.NET] * len(graph.inputs)  # maps come from layers
    short = _Short(modules).values(graph, given) if training else [True] * len(graph.nodes)
    for position in draft.live():
        args = draft.args(position)
        for place in args:
            over = _over(graph, position, place, training, short)
            if over and _alone(consumers[place]) and _fresh(graph, place, modules):
                others = [argument for argument in args if argument != place]
                draft.change(position, Apply(over), (place, *others))
                break
    return draft.finish()


def _over(
    graph: Graph, position: int, place: int, training: bool, short: Sequence[bool]
) -> Operation | None:
    """What stands at a node, as an operation that writes over its argument `place`; or None."""
    match graph.nodes[position].kind:
        case Apply(Activation(in_place=True) as activation) if activation.by_result or not training:
            return InPlace(activation=activation)
        case Apply(Sum()) if len(graph.nodes[position].args) == 2:
            # The result gets this argument's kind of number. Under autocast what leaves a layer
            # is short, and tokens are summed long: only behind norms of maps are both short.
            made = graph.nodes[place].kind
            norm = isinstance(made, Apply) and isinstance(made.operation, BatchNorm)
            both = all(short[argument] for argument in graph.nodes[position].args)
            return AddInPlace() if (norm and both) or not training else None
        case _:
            return None


def _alone(consumers: list[int]) -> bool:
    return len(consumers) == 1


def _fresh(graph: Graph, position: int, modules: Modules) -> bool:
    """Whether a value is memory of its own that no gradient needs."""
    node = graph.nodes[position]
    match node.kind:
        case Apply(operation):
            return operation.traits(graph.types_in(node)).fresh
        case Invoke(module, steps=0):
            inner = modules[module]
            if len(inner.outputs) != 1:
                return False
            (output,) = inner.outputs
            readers = [reader for reader in inner.nodes if output in reader.args]
            return not readers and _fresh(inner, output, modules)
        case _:
            return False


class _Short:
    """Which values are short floats under autocast: results of layers, and what is made of them."""

    def __init__(self, modules: Modules) -> None:
        self.modules = modules
        self.known: dict[tuple[str, tuple[bool, ...]], bool] = {}

    def values(self, graph: Graph, inputs: Sequence[bool]) -> list[bool]:
        """For each node of a graph, given the same of its inputs."""
        given = iter(inputs)
        found: list[bool] = []
        for node in graph.nodes:
            args = tuple(found[argument] for argument in node.args)
            match node.kind:
                case Input():
                    found.append(next(given))
                case Invoke(module):
                    found.append(self._results(module, args))
                case Apply(operation):
                    found.append(_is_short(operation, graph.types_in(node), args))
                case _:
                    found.append(all(args))
        return found

    def _results(self, module: str, inputs: tuple[bool, ...]) -> bool:
        """Whether all results of a module are, given the same of its inputs."""
        key = module, inputs
        if key not in self.known:
            graph = self.modules[module]
            found = self.values(graph, inputs)
            self.known[key] = all(found[output] for output in graph.outputs)
        return self.known[key]


def _is_short(operation: Operation, types: Types, inputs: Sequence[bool]) -> bool:
    """Layers and attention give short floats; all else what it takes, with long weights long."""
    if operation.macs(types):
        return True
    keeps = isinstance(operation, BatchNorm) or not operation.weights(types)
    return keeps and bool(inputs) and all(inputs)
