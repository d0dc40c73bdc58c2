"""When two networks are the same: a name for what a network computes and can learn.

Two networks have one identity if they are equal up to the names of weights, the order and
nesting of sums, dead code, zeros, identities, and repeated operations without weights. Weights
count: an operation with weights is never merged with another, nor dropped because its input is
zero, so networks with one identity have the same live parameters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b

from archdsl.ir.graph import Apply, Choose, Graph, Input, Invoke, Item, Node, Path, Program
from archdsl.ir.printer import print_graph
from archdsl.ops.base import Operation, Types
from archdsl.ops.constants import Identity, Zero
from archdsl.ops.fused import Average, Zeros
from archdsl.ops.joins import Concat, Mean, Product, Sum
from archdsl.passes.canonical import Vertex, certificate


def identity(program: Program) -> str:
    """The identity of a network as 32 hex digits, the same on every machine.

    Raises ValueError for a space: its holes are not decided.
    """
    summaries: dict[str, _Summary] = {}
    for key, graph in program.modules.items():
        if graph.holes:
            raise ValueError("a space has no identity, only its architectures have")
        summaries[key] = _Terms(graph, program.modules, summaries).summary()
    return f"{summaries[program.root].digest:032x}"


_ALGEBRA = frozenset({Zero, Zeros, Identity, Sum, Mean, Average, Concat, Product})


@dataclass(frozen=True, slots=True)
class _Summary:
    """What a use of a module needs to know of it.

    `digest` names its canonical form. `results`: for each, -1 if it is zero, i if it is input
    i, None otherwise. `reads`: the inputs that matter.
    """

    digest: int
    results: tuple[int | None, ...]
    reads: tuple[int, ...]
    weights: bool
    random: bool


@dataclass(frozen=True, slots=True)
class _Facts:
    """What matters of an operation on inputs of given types."""

    label: int
    zero: bool
    weights: bool
    random: bool


@lru_cache(maxsize=8192)
def _facts(operation: Operation, inputs: Types) -> _Facts:
    # What is written in PyTorch is the operation: `conv(8, k=3)` and `conv(8, k=3, p=1)` are one.
    code, traits = operation.code(inputs), operation.traits(inputs)
    arguments = [(argument.keyword, argument.value) for argument in code.arguments]
    weights = operation.weights(inputs)
    return _Facts(
        label=_digest((code.constructor, arguments, code.expression, inputs)) >> 64,
        zero=traits.zero and not weights,
        weights=any(not weight.buffer for weight in weights),
        random=traits.random,
    )


def _digest(value: object) -> int:
    return int.from_bytes(blake2b(repr(value).encode(), digest_size=16).digest(), "big")


ZERO = -1
_SUM = _digest("sum") >> 64


@dataclass(slots=True, eq=False)
class _Terms:
    """A graph as terms: equal terms are one, zeros and identities are gone, sums are flat."""

    graph: Graph
    modules: Mapping[str, Graph]
    summaries: Mapping[str, _Summary]
    vertices: list[Vertex] = field(default_factory=list)
    known: dict[Hashable, int] = field(default_factory=dict)
    sums: dict[int, tuple[int, ...]] = field(default_factory=dict)
    ties: dict[Path, int] = field(default_factory=dict)
    random: bool = False
    weights: bool = False

    def summary(self) -> _Summary:
        values: list[tuple[int, ...]] = []
        for node in self.graph.nodes:
            values.append(
                self._node(
                    node,
                    tuple(values[argument][0] for argument in node.args)
                    if not isinstance(node.kind, Item)
                    else values[node.args[0]],
                )
            )
        outputs = [
            values[o][0] if values[o][0] != ZERO else self._zeros(self.graph.nodes[o])
            for o in self.graph.outputs
        ]
        inputs = [values[i][0] for i in self.graph.inputs]
        live, numbers = self._live(outputs)
        form = certificate(live, numbers)
        return _Summary(
            digest=_digest(form),
            results=tuple(self._result(values[o][0], inputs) for o in self.graph.outputs),
            reads=tuple(i for i, value in enumerate(inputs) if self._needed(value, outputs)),
            weights=self.weights,
            random=self.random,
        )

    def _node(self, node: Node, args: tuple[int, ...]) -> tuple[int, ...]:
        """The terms that a node stands for; ZERO where it is zero."""
        match node.kind:
            case Input():
                place = len(self.vertices)
                self.vertices.append(Vertex(_digest(("input", place, node.type.shape)) >> 64))
                return (place,)
            case Item(index):
                return (args[index],)
            case Invoke(module):
                return self._use(node, module, args)
            case Apply(operation):
                return self._apply(node, operation, args)
            case Choose():
                raise ValueError("a network has no holes")

    def _apply(self, node: Node, operation: Operation, args: tuple[int, ...]) -> tuple[int, ...]:
        if type(operation) not in _ALGEBRA:  # asked first: matching abstract classes is slow
            return self._operation(node, operation, args)
        match operation:
            case Zero() | Zeros():
                return (ZERO,)
            case Identity():
                return args
            case Sum():
                return (self._sum(args, 1),)
            case Mean():
                return (self._sum(args, len(args)),)
            case Average(divisor=divisor):
                return (self._sum(args, divisor),)
            case Concat() | Product() if len(args) == 1:
                return args
            case Product() if ZERO in args:
                return (ZERO,)
            case _:
                return self._operation(node, operation, args)

    def _operation(
        self, node: Node, operation: Operation, args: tuple[int, ...]
    ) -> tuple[int, ...]:
        facts = _facts(operation, tuple(self.graph.nodes[a].type for a in node.args))
        if facts.zero and args and all(argument == ZERO for argument in args):
            return (ZERO,) * len(node.types)
        self.random |= facts.random
        self.weights |= facts.weights
        path = node.path if facts.weights else ()
        ordered = not isinstance(operation, Product)
        return self._several(node, facts.label, args, path, ordered, facts.random)

    def _use(self, node: Node, module: str, args: tuple[int, ...]) -> tuple[int, ...]:
        used = self.summaries[module]
        self.random |= used.random
        self.weights |= used.weights
        if all(result is not None for result in used.results):
            return tuple(ZERO if r in (None, ZERO) else args[r] for r in used.results)
        label = used.digest >> 64
        if used.weights and self._shares(node.path, module):
            # Tied uses with different types share weights by name, so names matter below.
            label = _digest((label, print_graph(self.modules[module], ""))) >> 64
        given = tuple(args[i] for i in used.reads)
        path = node.path if used.weights else ()
        made = self._several(node, label, given, path, True, used.random)
        return tuple(
            term if result is None else ZERO if result == ZERO else args[result]
            for term, result in zip(made, used.results, strict=True)
        )

    def _shares(self, path: Path, module: str) -> bool:
        """Whether another module is used under the same path."""
        return any(
            node.path == path and isinstance(node.kind, Invoke) and node.kind.module != module
            for node in self.graph.nodes
        )

    def _several(
        self,
        node: Node,
        label: int,
        args: tuple[int, ...],
        path: Path,
        ordered: bool,
        random: bool,
    ) -> tuple[int, ...]:
        """The term of a node, and those of its results where it has several."""
        given = tuple(
            self._zeros(self.graph.nodes[a]) if arg == ZERO else arg
            for arg, a in zip(args, node.args, strict=False)
        )
        given = given if ordered else tuple(sorted(given))
        tie = self.ties.setdefault(path, len(self.ties)) if path else -1
        unique = len(self.vertices) if random else -1
        term = self._term((label, given, tie, unique), Vertex(label, given, ordered, tie))
        if len(node.types) == 1:
            return (term,)
        return tuple(
            self._term(("item", i, term), Vertex(_digest(("item", i)) >> 64, (term,)))
            for i in range(len(node.types))
        )

    def _sum(self, args: tuple[int, ...], divisor: int) -> int:
        """A sum over a divisor: flat, without zeros; one term over one is that term."""
        terms: list[int] = []
        for argument in args:
            if argument != ZERO:
                terms += self.sums.get(argument, (argument,))
        if not terms or (len(terms) == 1 and divisor == 1):
            return terms[0] if terms else ZERO
        flat = tuple(sorted(terms))
        label = _SUM + divisor
        made = self._term((label, flat), Vertex(label, flat, ordered=False))
        if divisor == 1:
            self.sums[made] = flat
        return made

    def _zeros(self, node: Node) -> int:
        """Zeros that an operation reads."""
        label = _digest(("zeros", node.types)) >> 64
        return self._term((label,), Vertex(label))

    def _term(self, key: Hashable, vertex: Vertex) -> int:
        if key not in self.known:
            self.known[key] = len(self.vertices)
            self.vertices.append(vertex)
        return self.known[key]

    def _result(self, value: int, inputs: list[int]) -> int | None:
        return ZERO if value == ZERO else inputs.index(value) if value in inputs else None

    def _needed(self, value: int, outputs: list[int]) -> bool:
        return value in self._reached(outputs)

    def _reached(self, outputs: list[int]) -> set[int]:
        reached: set[int] = set()
        stack = list(outputs)
        while stack:
            value = stack.pop()
            if value not in reached:
                reached.add(value)
                stack.extend(self.vertices[value].args)
        return reached

    def _live(self, outputs: list[int]) -> tuple[list[Vertex], list[int]]:
        """The vertices that the outputs need, numbered anew; weights of one user are its own."""
        order = sorted(self._reached(outputs))
        number = {old: new for new, old in enumerate(order)}
        users = Counter(self.vertices[old].tie for old in order)
        live = []
        for old in order:
            vertex = self.vertices[old]
            tie = vertex.tie if users[vertex.tie] > 1 else -1
            args = tuple(number[argument] for argument in vertex.args)
            live.append(Vertex(vertex.label, args, vertex.ordered, tie))
        return live, [number[output] for output in outputs]
