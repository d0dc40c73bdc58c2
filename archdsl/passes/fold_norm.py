"""Norms and factors of channels, in evaluation, as part of the linear map beside them.

bn(conv(x))          -> conv'(x)
scale(linear(x))     -> linear'(x)
conv(bn(x))          -> conv'(x)     where the convolution is not padded
"""

from __future__ import annotations

from collections import Counter

from archdsl.ir.graph import Graph, Path
from archdsl.ops.base import ChannelAffine, Layer, Operation
from archdsl.passes.draft import Draft, Rewrite, only_consumer, weight_name
from archdsl.passes.facts import Modules
from archdsl.passes.laws import COLUMNS, ROWS, SUM, THROUGH, factor_of, shift_of
from archdsl.passes.weights import LONGEST, Keep, Source, size_of


def fold_norm(graph: Graph, modules: Modules) -> Rewrite:
    """Fold what is affine for each channel into the weights before it, else into those behind it.

    For evaluation: a batch norm's statistics are then fixed. Never where something else reads
    what is between, where weights have other uses, nor forward into padding with zeros, which the
    shift does not reach.
    """
    fold = _Fold(graph, modules)
    order = fold.draft.live()
    for position in order:
        if affine := fold.affine(position):
            fold.backward(position, affine)
    for position in reversed(order):  # of several in a row the last goes first
        if affine := fold.affine(position):
            fold.forward(position, affine)
    return fold.draft.finish()


def still(graph: Graph, modules: Modules) -> Rewrite:
    """Drop what does something in training only: dropout, drop path."""
    draft = Draft(graph, modules)
    for position in draft.live():
        args = draft.args(position)
        if draft.traits(position).random and len(args) == 1 and draft.weightless(position):
            draft.replace(position, args[0])
    return draft.finish()


class _Fold:
    """A graph under folding: who reads what, and what became of the weights so far."""

    def __init__(self, graph: Graph, modules: Modules) -> None:
        self.draft = Draft(graph, modules)
        self.readers = self.draft.consumers()
        self.uses = Counter(node.path for node in graph.nodes if node.path)

    def affine(self, position: int) -> ChannelAffine | None:
        operation = self.draft.operation(position)
        gone = position in self.draft.instead
        if operation is None or gone or not self._alone(position):
            return None
        return operation.channel_affine(self.draft.inputs(position))

    def _alone(self, position: int) -> bool:
        """Whether a node is the only use of its weights."""
        return self.uses[self.draft.nodes[position].path] <= 1

    def _layer(self, position: int, *, reads: bool) -> Layer | None:
        """The linear map at an end of a node, if its weights can be changed."""
        operation = self.draft.operation(position)
        if operation is None or operation.arity != 1 or not self._alone(position):
            return None
        inputs = self.draft.inputs(position)
        return operation.reads(inputs) if reads else operation.writes(inputs)

    def _weight(self, path: Path, name: str) -> Source:
        """A weight as it is by now: an earlier fold may have changed it."""
        full = weight_name(path, name)
        return self.draft.rows.get(full, Keep(full))

    def _bias(self, position: int, layer: Layer) -> Source | None:
        operation, inputs = self.draft.operation(position), self.draft.inputs(position)
        assert operation is not None
        has = any(weight.name == layer.bias for weight in operation.weights(inputs))
        return self._weight(self.draft.nodes[position].path, layer.bias) if has else None

    def backward(self, position: int, affine: ChannelAffine) -> None:
        """Into the linear map before: W becomes factor W, b becomes factor b + shift."""
        (before,) = self.draft.args(position)
        layer = self._layer(before, reads=False)
        if layer is None or only_consumer(before, self.readers) != position:
            return
        factor, shift, bias = *self._parts(position, affine), self._bias(before, layer)
        weight = self._weight(self.draft.nodes[before].path, layer.weight)
        scaled = ROWS(bias, factor) if bias and factor else bias
        self._write(
            before,
            layer,
            self.draft.args(before),
            ROWS(weight, factor) if factor else weight,
            SUM(scaled, shift) if scaled and shift else scaled or shift,
            instead=position,
        )

    def forward(self, position: int, affine: ChannelAffine) -> None:
        """Into the linear map behind: W becomes W factor, b becomes b + W shift."""
        behind = only_consumer(position, self.readers)
        layer = self._layer(behind, reads=True) if behind is not None else None
        if behind is None or layer is None:
            return
        factor, shift, bias = *self._parts(position, affine), self._bias(behind, layer)
        weight = self._weight(self.draft.nodes[behind].path, layer.weight)
        passed = THROUGH(weight, shift) if shift else None
        self._write(
            behind,
            layer,
            self.draft.args(position),
            COLUMNS(weight, factor) if factor else weight,
            SUM(bias, passed) if bias and passed else bias or passed,
            instead=behind,
        )

    def _parts(self, position: int, affine: ChannelAffine) -> tuple[Source | None, Source | None]:
        """The factor and the shift of a node."""
        path = self.draft.nodes[position].path

        def weight(name: str) -> Source:
            return self._weight(path, name)

        return factor_of(affine, weight), shift_of(affine, weight)

    def _write(
        self,
        position: int,
        layer: Layer,
        args: tuple[int, ...],
        weight: Source,
        bias: Source | None,
        instead: int,
    ) -> None:
        """A node with other weights, under its old name; the later of both goes too."""
        if size_of(weight) + (size_of(bias) if bias else 0) > LONGEST:
            return
        path = self.draft.nodes[position].path
        operation: Operation | None = self.draft.operation(position)
        assert operation is not None
        if bias is not None:
            if self._bias(position, layer) is None:
                operation = operation.biased(self.draft.inputs(position))
                assert operation is not None
            self.draft.rows[weight_name(path, layer.bias)] = bias
        self.draft.rows[weight_name(path, layer.weight)] = weight
        new = self.draft.add(operation, args, path, instead)
        self.readers[new] = self.readers.get(instead, [])
        for argument in args:
            if len(self.readers[argument]) == 1:  # which of several it is, nobody asks
                self.readers[argument] = [new]
        self.draft.replace(instead, new)
