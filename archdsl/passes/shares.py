"""Where a network's weights lie in its supernet's: by name, and under `elastic` in part.

Only from supernet to network: a slice has lost the rest, and a smaller kernel is computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, assert_never

from archdsl.ir.graph import Apply, Graph, Invoke, Node, Path, Program
from archdsl.ops.base import Mix, Slice, Take
from archdsl.passes.draft import weight_name
from archdsl.passes.names import network_weights

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Share:
    """A weight as a part of a supernet's: its name there, and the steps that lead to it."""

    name: str
    steps: Slice = ()

    @property
    def is_part(self) -> bool:
        """Whether every number of it is a number of the supernet."""
        return not any(isinstance(step, Mix) for step in self.steps)


@dataclass(frozen=True, slots=True)
class Shares:
    """The weights of a network as parts of its supernet's, by their names in the network."""

    entries: Mapping[str, Share]

    def forward(self, state: Tensors) -> dict[str, Tensor]:
        """The network's tensors, of the supernet's; what the state does not hold is left out."""
        return {
            name: _taken(share, state)
            for name, share in self.entries.items()
            if share.name in state
        }

    def put(self, tensors: Tensors, state: Tensors) -> dict[str, Tensor]:
        """The supernet's tensors with the network's in their places; computed ones are skipped."""
        result = dict(state)
        for name, share in self.entries.items():
            if name in tensors and share.is_part:
                result[share.name] = _put(share, tensors[name], result[share.name])
        return result


def shares(supernet: Program, network: Program) -> Shares:
    """How a network takes its weights from a supernet; by name alone where it says no more."""
    entries = {name: Share(name) for name in network_weights(network)}

    def visit(key: str, whole: str, prefix: Path) -> None:
        graph, shared = network.modules[key], supernet.modules[whole]
        known = {node.path: node for node in shared.nodes if node.path}
        for node in graph.nodes:
            other = known.get(node.path)
            if other is None:
                continue
            if isinstance(node.kind, Invoke) and isinstance(other.kind, Invoke):
                visit(node.kind.module, other.kind.module, (*prefix, *node.path))
            else:
                entries.update(_slices(graph, node, other, prefix))

    visit(network.root, supernet.root, ())
    return Shares(entries)


def _slices(graph: Graph, node: Node, shared: Node, prefix: Path) -> Iterator[tuple[str, Share]]:
    """The weights of one operation that shares them with its other sizes."""
    form = shared.sizes.form if shared.sizes is not None else None
    if form is None or not (isinstance(node.kind, Apply) and isinstance(shared.kind, Apply)):
        return
    operation = node.kind.operation
    if type(operation) is not type(shared.kind.operation):
        return
    for weight, steps in operation.slices(graph.types_in(node), form.weights).items():
        name = weight_name((*prefix, *node.path), weight)
        yield name, Share(name, tuple(_named(step, (*prefix, *node.path)) for step in steps))


def _named(step: Take | Mix, path: Path) -> Take | Mix:
    return replace(step, matrix=weight_name(path, step.matrix)) if isinstance(step, Mix) else step


def _taken(share: Share, state: Tensors) -> Tensor:
    tensor = state[share.name]
    for step in share.steps:
        match step:
            case Take(axes):
                tensor = _part(tensor, axes)
            case Mix(matrix):
                window = tensor.shape[-2:]
                tensor = (tensor.flatten(-2) @ state[matrix].mT).unflatten(-1, window)
            case _:
                assert_never(step)
    return tensor


def _part(tensor: Tensor, axes: tuple[tuple[range, ...], ...]) -> Tensor:
    import torch

    for axis, ranges in enumerate(axes):
        if ranges == (range(tensor.shape[axis]),):
            continue
        if len(ranges) == 1 and ranges[0].step == 1:
            tensor = tensor.narrow(axis, ranges[0].start, len(ranges[0]))
        else:
            rows = torch.tensor([i for part in ranges for i in part], device=tensor.device)
            tensor = tensor.index_select(axis, rows)
    return tensor


def _put(share: Share, part: Tensor, whole: Tensor) -> Tensor:
    import torch

    places = torch.arange(whole.numel()).view(whole.shape)
    for step in share.steps:
        if isinstance(step, Take):
            places = _part(places, step.axes)
    result = whole.clone().flatten()
    result[places.flatten()] = part.flatten().to(result)
    return result.view(whole.shape)
