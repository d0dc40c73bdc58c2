"""Linear layers of one value in a mixture, as one layer whose weights are mixed.

g1 conv3(x) + g2 conv1(x)        -> conv(x, weight = g1 w3 + g2 pad(w1))
g1 linear1(x) + g2 linear2(x)    -> linear(x, weight = g1 w1 + g2 w2)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace

from archdsl.ir.cost import FLOAT_BYTES
from archdsl.ir.formula import ALWAYS, Formula
from archdsl.ir.graph import Apply, Graph, Node, Path
from archdsl.ir.types import TensorType
from archdsl.ops.base import Operation, Types
from archdsl.ops.convolution import Conv, DepthwiseConv
from archdsl.ops.joins import Sum
from archdsl.ops.kernels import GivenWeights, Layer, LayerWeight, MixedWeight
from archdsl.ops.linear import Linear
from archdsl.ops.mixture import Mixture
from archdsl.passes.device import BATCH, CPU
from archdsl.passes.draft import frames_used

PASSES = 6
"""How often a kernel is read or written to mix it: padded, weighed, added, and back."""


def mix_kernels(graph: Graph) -> Graph:
    """Mix the weights of a mixture's layers instead of their results, where that is less work.

    Exact in training: a sum of linear layers of one value is one, with the sum of their weights
    and of their biases, and every weight and gate has the gradient that it had. Kernels differ
    in size only, around one centre. Nothing may stand between a layer and the mixture, no norm
    and no activation. The layers stay modules with weights of their own.
    """
    return _Mixer(graph).run()


@dataclass(frozen=True, slots=True)
class _Term:
    """A layer in a mixture: its place among the terms, its node, its weight in the sum."""

    place: int
    position: int
    layer: Layer
    source: TensorType
    gate: Formula
    path: Path


@dataclass(slots=True)
class _Mixer:
    graph: Graph
    nodes: list[Node] = field(default_factory=list)
    now: dict[int, int] = field(default_factory=dict)
    """Where a value of the graph is among the nodes."""

    def run(self) -> Graph:
        groups = {i: found for i in range(len(self.graph.nodes)) if (found := self._groups(i))}
        if not groups:
            return self.graph
        gone = {t.position for found in groups.values() for terms in found for t in terms}
        for position, node in enumerate(self.graph.nodes):
            if position in groups:
                self._mixture(position, groups[position])
            elif position not in gone:
                self.now[position] = len(self.nodes)
                args = tuple(self.now[argument] for argument in node.args)
                self.nodes.append(replace(node, args=args))
        outputs = tuple(self.now[output] for output in self.graph.outputs)
        frames = frames_used(self.graph.frames, self.nodes)
        return replace(self.graph, nodes=tuple(self.nodes), outputs=outputs, frames=frames)

    # --- which layers are one ---------------------------------------------------------------

    def _groups(self, position: int) -> list[list[_Term]]:
        """The layers of a mixture that can be one, and pay."""
        node = self.graph.nodes[position]
        if not isinstance(node.kind, Apply) or not isinstance(node.kind.operation, Mixture):
            return []
        mixture = node.kind.operation
        if mixture.over:
            return []
        found: dict[Hashable, list[_Term]] = {}
        for place, argument in enumerate(node.args):
            term = self._term(place, argument, mixture.gates[place])
            if term is not None:
                key = (self.graph.nodes[argument].args, alike(term.layer, (term.source,)))
                found.setdefault(key, []).append(term)
        return [terms for terms in found.values() if len(terms) > 1 and _pays(terms)]

    def _term(self, place: int, position: int, gate: Formula) -> _Term | None:
        """A term that is a layer with weights of its own, whose result nothing else reads."""
        node = self.graph.nodes[position]
        match node.kind:
            case Apply(Conv() | DepthwiseConv() | Linear() as layer, ()):
                reads = Counter(a for other in self.graph.nodes for a in other.args)
                uses = sum(other.path == node.path for other in self.graph.nodes)
                if uses > 1 or reads[position] > 1 or position in self.graph.outputs:
                    return None
                (source,) = self.graph.types_in(node)
                if alike(layer, (source,)) is None:
                    return None
                return _Term(place, position, layer, source, gate, node.path)
            case _:
                return None

    # --- what they become -------------------------------------------------------------------

    def _mixture(self, position: int, groups: Sequence[Sequence[_Term]]) -> None:
        node = self.graph.nodes[position]
        assert isinstance(node.kind, Apply) and isinstance(node.kind.operation, Mixture)
        gates = dict(enumerate(node.kind.operation.gates))
        values = {place: self.now.get(argument, -1) for place, argument in enumerate(node.args)}
        for number, terms in enumerate(groups):
            first, *others = (term.place for term in terms)
            stem = f"{node.path[0]}_{number}" if len(groups) > 1 else node.path[0]
            values[first], gates[first] = self._one(terms, stem), ALWAYS
            for place in others:
                del values[place], gates[place]
        if len(values) == 1:
            (only,) = values.values()
            self.nodes[only] = replace(self.nodes[only], label=node.label)
            self.now[position] = only
            return
        kind = Mixture(gates=tuple(gates.values()))
        whole: Operation = Sum() if set(gates.values()) == {ALWAYS} else kind
        self.now[position] = self._add(replace(node, kind=Apply(whole)), tuple(values.values()))

    def _one(self, terms: Sequence[_Term], stem: str) -> int:
        """The layer that stands for several, behind what it takes."""
        value = self.now[self.graph.nodes[terms[0].position].args[0]]
        inputs = (terms[0].source,)
        layer = widest([term.layer for term in terms], inputs)
        args = [value, self._weight(terms, "weight", layer, f"{stem}_weight")]
        if biased := [term for term in terms if term.layer.bias]:
            args.append(self._weight(biased, "bias", layer, f"{stem}_bias"))
        operation = GivenWeights(layer=layer)
        types = self.graph.nodes[terms[0].position].types
        return self._add(
            Node(kind=Apply(operation), types=types, path=(f"{stem}_{operation.attribute}",)),
            tuple(args),
        )

    def _weight(self, terms: Sequence[_Term], name: str, layer: Layer, stem: str) -> int:
        """The weights of that name under their gates."""
        parts = []
        for term in terms:
            margin = margins(term.layer, layer) if name == "weight" else (0, 0)
            operation = LayerWeight(layer=term.layer, source=term.source, name=name, margin=margin)
            node = Node(kind=Apply(operation), types=operation.results(()), path=term.path)
            parts.append(self._add(node, ()))
        types = self.nodes[parts[0]].types
        mixed = MixedWeight(gates=tuple(term.gate for term in terms))
        label = "" if name == "bias" else name if isinstance(layer, Linear) else "kernel"
        node = Node(kind=Apply(mixed), types=types, path=(stem,), label=label)
        return self._add(node, tuple(parts))

    def _add(self, node: Node, args: tuple[int, ...]) -> int:
        self.nodes.append(replace(node, args=args))
        return len(self.nodes) - 1


def alike(layer: Layer, inputs: Types) -> Hashable | None:
    """What layers agree in that can be one: all but the size of their kernels; None for none."""
    if isinstance(layer, Linear):
        plain = layer.weight_bits is None and layer.input_bits is None
        return ("linear", layer.features) if plain else None
    conv = layer.as_conv(inputs)
    if conv.rounds:
        return None
    reach = [
        2 * padding - conv.d * (kernel - 1)  # where the kernel's centre starts, in half pixels
        for padding, kernel in zip(conv.padding, conv.kernel, strict=True)
    ]
    odd = tuple(kernel % 2 for kernel in conv.kernel)
    return (conv.channels, conv.groups, conv.stride, conv.d, odd, tuple(reach))


def widest(layers: Sequence[Layer], inputs: Types) -> Conv | Linear:
    """The layer that has room for the kernels of all."""
    bias = any(layer.bias for layer in layers)
    first = layers[0]
    if isinstance(first, Linear):
        return replace(first, bias=bias)
    convs = [layer.as_conv(inputs) for layer in layers if not isinstance(layer, Linear)]
    (height, width), (p, pw) = (
        tuple(max(sizes) for sizes in zip(*values, strict=True))
        for values in ([c.kernel for c in convs], [c.padding for c in convs])
    )
    return replace(convs[0], k=height, kw=width, p=p, pw=pw, bias=bias)


def margins(layer: Layer, whole: Layer) -> tuple[int, int]:
    """The zeros on each side that make a kernel as large as that of the whole."""
    if isinstance(layer, Linear) or not isinstance(whole, Conv):
        return 0, 0
    height, width = layer.k, layer.k if layer.kw is None else layer.kw
    return (whole.kernel[0] - height) // 2, (whole.kernel[1] - width) // 2


def _pays(terms: Sequence[_Term]) -> bool:
    """Whether mixed weights are less work than mixed results.

    No more multiplications, and less to move: a call and a result are saved for each layer but
    one, and all weights are read and written a few times.
    """
    inputs = (terms[0].source,)
    whole = widest([term.layer for term in terms], inputs)
    if whole.macs(inputs) > sum(term.layer.macs(inputs) for term in terms):
        return False
    result, kernel = whole.infer(inputs), whole.weights(inputs)[0]
    saved = (len(terms) - 1) * (CPU.call_bytes + 3 * BATCH * FLOAT_BYTES * result.elements)
    return PASSES * FLOAT_BYTES * len(terms) * kernel.elements <= saved
