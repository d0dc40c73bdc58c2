"""Gates of a mixture where they cost least.

a mix(b, x)        -> mix(a b, x)          no product of an inner mixture
g bn(x)            -> bn(x, weight=g)      where bn has no weights: no product, nothing kept for it
g block(x)         -> block(x, g)          where a block ends in such a norm
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from archdsl.ir.formula import ALWAYS, All, Formula
from archdsl.ir.graph import Apply, Graph, Input, Invoke, Node
from archdsl.ir.types import TensorType
from archdsl.ops.joins import Sum
from archdsl.ops.mixture import GateNumber, Mixture, ScaledNorm
from archdsl.ops.normalisation import BatchNorm

SCALE = "scale"
MAPS = 3
"""The axes of what a scaled norm takes: (C, H, W)."""


def nest_gates(graph: Graph) -> Graph:
    """Mixtures that only another mixture weighs take its weights into their own."""
    nodes = list(graph.nodes)
    uses = _uses(graph)
    for position in reversed(range(len(nodes))):
        outer = _mixture(nodes[position])
        if outer is None:
            continue
        gates = list(outer.gates)
        for number, arg in enumerate(nodes[position].args):
            inner = _mixture(nodes[arg])
            if inner is None or uses[arg] != 1 or gates[number] == ALWAYS:
                continue
            factor = gates[number]
            product = tuple(_product(factor, gate) for gate in inner.gates)
            nodes[arg] = replace(nodes[arg], kind=Apply(Mixture(gates=product)))
            gates[number] = ALWAYS
        nodes[position] = replace(nodes[position], kind=_join(gates))
    return replace(graph, nodes=tuple(nodes))


def scale_norms(graph: Graph, modules: Mapping[str, Graph]) -> tuple[Graph, dict[str, Graph]]:
    """The graph with gates in its norms, and the modules that it needs for that, by their keys.

    Exact in training: the gradient of the weight of every channel is summed into the gate's.
    """
    return _Scaler(graph, modules).run()


def scaled_key(module: str) -> str:
    """The key of a module whose result is scaled."""
    return f"{module}.{SCALE}"


@dataclass(slots=True)
class _Scaler:
    graph: Graph
    modules: Mapping[str, Graph]

    def run(self) -> tuple[Graph, dict[str, Graph]]:
        uses = _uses(self.graph)
        paths = Counter(node.path for node in self.graph.nodes)
        scales: dict[int, Formula] = {}
        made: dict[str, Graph] = {}
        kept: dict[int, Node] = {}
        for position, node in enumerate(self.graph.nodes):
            mixture = _mixture(node)
            if mixture is None:
                continue
            gates = list(mixture.gates)
            for number, arg in enumerate(node.args):
                term = self.graph.nodes[arg]
                once = uses[arg] == 1 and paths[term.path] == 1
                if gates[number] == ALWAYS or not once or not scalable(term, self.modules):
                    continue
                scales[arg] = gates[number]
                gates[number] = ALWAYS
                if isinstance(term.kind, Invoke):
                    made |= scaled_modules(term.kind.module, self.modules)
            kept[position] = replace(node, kind=_join(gates))
        if not scales:
            return self.graph, {}
        return _rebuilt(self.graph, kept, scales), made


def scalable(node: Node, modules: Mapping[str, Graph]) -> bool:
    """Whether a number can go into what makes a value."""
    match node.kind:
        case Apply(BatchNorm(affine=False)):
            return len(node.types) == 1 and len(node.type.shape) == MAPS
        case Invoke(module, 0):
            graph = modules[module]
            if len(graph.outputs) != 1 or _uses(graph)[graph.outputs[0]] != 1:
                return False
            last = graph.nodes[graph.outputs[0]]
            alone = sum(other.path == last.path for other in graph.nodes) == 1
            return alone and scalable(last, modules)
        case _:
            return False


def scaled_modules(module: str, modules: Mapping[str, Graph]) -> dict[str, Graph]:
    """A module that takes a number for its result as its last input, with those inside it."""
    graph = modules[module]
    made: dict[str, Graph] = {}
    last = graph.outputs[0]
    kind = graph.nodes[last].kind
    if isinstance(kind, Invoke):
        made |= scaled_modules(kind.module, modules)
    result = _rebuilt(graph, {}, {last: None})
    return {**made, scaled_key(module): result}


def _rebuilt(graph: Graph, kept: Mapping[int, Node], scales: Mapping[int, Formula | None]) -> Graph:
    """A graph whose values of some positions are scaled: by a gate, or (None) by a new input."""
    nodes: list[Node] = []
    position: dict[int, int] = {}
    for old, node in enumerate(graph.nodes):
        node = kept.get(old, node)
        args = tuple(position[arg] for arg in node.args)
        kind = node.kind
        if old in scales:
            gate = scales[old]
            number = Node(
                kind=Input(SCALE) if gate is None else Apply(GateNumber(gate=gate)),
                types=(TensorType(()),),
                path=() if gate is None else (f"{SCALE}_{old}",),
                label=SCALE if gate is None else "",
            )
            nodes.append(number)
            args = (*args, len(nodes) - 1)
            if isinstance(kind, Apply) and isinstance(kind.operation, BatchNorm):
                kind = Apply(ScaledNorm(norm=kind.operation))
            elif isinstance(kind, Invoke):
                kind = replace(kind, module=scaled_key(kind.module))
        position[old] = len(nodes)
        nodes.append(replace(node, kind=kind, args=args))
    outputs = tuple(position[output] for output in graph.outputs)
    return replace(graph, nodes=tuple(nodes), outputs=outputs)


def _mixture(node: Node) -> Mixture | None:
    match node.kind:
        case Apply(Mixture(over=()) as mixture) if mixture.batched:
            return mixture
        case _:
            return None


def _join(gates: list[Formula]) -> Apply:
    """A mixture, or a plain sum where nothing is left to weigh."""
    if all(gate == ALWAYS for gate in gates):
        return Apply(Sum())
    return Apply(Mixture(gates=tuple(gates)))


def _product(factor: Formula, gate: Formula) -> Formula:
    """Both together, each counted however often it occurs."""
    terms = (*_factors(factor), *_factors(gate))
    return terms[0] if len(terms) == 1 else All(terms)


def _factors(formula: Formula) -> tuple[Formula, ...]:
    return formula.terms if isinstance(formula, All) else (formula,)


def _uses(graph: Graph) -> Counter[int]:
    """How often each value is taken; outputs count."""
    found = Counter(arg for node in graph.nodes for arg in node.args)
    found.update(graph.outputs)
    return found
