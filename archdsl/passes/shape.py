"""A graph as identity sees it: steps over numbers, and beside them what the numbers stand for.

Graphs of one definition at other widths have one shape, so what an architecture makes of a shape
is worked out once for all of them. Labels are numbered in the order of their texts, which is the
same for every network, so the numbers order values as the labels would.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple, assert_never

from archdsl.ir.formula import ALWAYS, Formula
from archdsl.ir.graph import Apply, Choose, Graph, Input, Invoke, Item, Node, Path
from archdsl.ops.base import Operation, Types
from archdsl.ops.constants import Identity, Zero
from archdsl.ops.fused import Average, Zeros
from archdsl.ops.joins import Concat, Mean, Product, Sum
from archdsl.passes.masks import Masks
from archdsl.passes.uses import Decided, Use

INPUT, ITEM, USE, CHOICE, OPERATION, ZERO, SAME, SUM, MEAN, PRODUCT, CONCAT = range(11)
"""What a step is. SAME passes its argument on; CONCAT does where it has one."""


MAX_KEPT = 50_000
"""What is kept of each shape for decisions met; beyond, all is forgotten."""


class Step(NamedTuple):
    """One node. `number` is its label, or says which: input, item, inner use, hole, divisor."""

    kind: int
    args: tuple[int, ...]
    under: Formula
    when: tuple[Formula, ...]
    number: int
    zeros: int = 0
    """The label of zeros in its place."""
    path: int = -1
    results: int = 1
    zero: bool = False
    weights: bool = False
    random: bool = False
    scan: int = -1
    """The label of a use that is taken over a sequence."""


@dataclass(frozen=True, slots=True, eq=False)
class Shaped:
    """A graph's steps and names: the texts of its labels, and the uses inside it.

    `dynamic`: labels depend on which arguments are present, so the graph has no equal.
    """

    graph: Graph
    holes: tuple[str, ...]
    steps: tuple[Step, ...]
    texts: list[str]
    digests: list[bytes]
    numbers: dict[str, int]
    inner: tuple[Use, ...]
    dynamic: bool
    masks: Masks
    """Of the steps: which are there."""
    _alive: dict[Decided, tuple[tuple[int, bool], ...]] = field(default_factory=dict)

    def label(self, text: str) -> int:
        """The number of a label that only some decisions bring about."""
        if text not in self.numbers:
            self.numbers[text] = len(self.texts)
            self.texts.append(text)
            self.digests.append(digest(text))
        return self.numbers[text]

    def alive(self, decided: Decided) -> tuple[tuple[int, bool], ...]:
        """The uses inside that exist under these decisions, and whether others share their path."""
        if not self.inner:
            return ()
        found = self._alive.get(decided)
        if found is None:
            if len(self._alive) >= MAX_KEPT:
                self._alive.clear()
            found = self._alive[decided] = tuple(self._living(decided))
        return found

    def _living(self, decided: Decided) -> Iterator[tuple[int, bool]]:
        living: dict[int, int] = {}
        for position in self.masks.holding(decided):
            step = self.steps[position]
            if step.kind == USE:
                living[step.number] = step.path
        sharing = Counter(living.values())
        for number, path in living.items():
            yield number, sharing[path] > 1

    @property
    def key(self) -> object:
        """What graphs of one shape have in common."""
        return id(self) if self.dynamic else (self.steps, self.holes, self.graph.outputs)


@dataclass(frozen=True, slots=True)
class Facts:
    """What matters of an operation on inputs of given types."""

    text: str
    zero: bool
    weights: bool
    random: bool


@lru_cache(maxsize=8192)
def facts(operation: Operation, inputs: Types) -> Facts:
    # What is written in PyTorch is the operation: `conv(8, k=3)` and `conv(8, k=3, p=1)` are one.
    code, traits = operation.code(inputs), operation.traits(inputs)
    arguments = [(argument.keyword, argument.value) for argument in code.arguments]
    weights = operation.weights(inputs)
    shapes = [type_.shape for type_ in inputs]
    return Facts(
        text=repr(("operation", code.constructor, arguments, code.expression, shapes)),
        zero=traits.zero and not weights,
        weights=any(not weight.buffer for weight in weights),
        random=traits.random,
    )


def digest(text: str) -> bytes:
    """16 bytes that stand for a text, the same on every machine."""
    return blake2b(text.encode(), digest_size=16).digest()


def shaped(use: Use) -> Shaped:
    """The shape of a use."""
    return _Shaping(use).run()


@dataclass(slots=True)
class _Shaping:
    use: Use
    texts: dict[str, int] = field(default_factory=dict)
    paths: dict[Path, int] = field(default_factory=dict)
    inner: dict[tuple[int, int], int] = field(default_factory=dict)
    uses: list[Use] = field(default_factory=list)
    modules: dict[Path, set[str]] = field(default_factory=dict)
    dynamic: bool = False

    def run(self) -> Shaped:
        graph = self.use.graph
        for node in graph.nodes:
            if isinstance(node.kind, Invoke):
                self.modules.setdefault(node.path, set()).add(node.kind.module)
        steps = [self._step(position, node) for position, node in enumerate(graph.nodes)]
        ordered = sorted(self.texts)
        rank = {self.texts[text]: number for number, text in enumerate(ordered)}
        holes = tuple(hole.name for hole in graph.holes)
        return Shaped(
            graph=graph,
            holes=holes,
            steps=tuple(self._ranked(step, rank) for step in steps),
            texts=ordered,
            digests=[digest(text) for text in ordered],
            numbers={text: number for number, text in enumerate(ordered)},
            inner=tuple(self.uses),
            dynamic=self.dynamic,
            masks=Masks.of(holes, [step.under for step in steps]),
        )

    def _ranked(self, step: Step, rank: Mapping[int, int]) -> Step:
        labelled = step.kind in (INPUT, OPERATION, PRODUCT, CONCAT) and step.number >= 0
        number = rank[step.number] if labelled else step.number
        scan = rank[step.scan] if step.scan >= 0 else -1
        return step._replace(number=number, zeros=rank[step.zeros], scan=scan)

    def _text(self, *parts: object) -> int:
        return self.texts.setdefault(repr(parts), len(self.texts))

    def _step(self, position: int, node: Node) -> Step:
        kind = node.kind
        zeros = self._text("zeros", [type_.shape for type_ in node.types])
        step = Step(CHOICE, node.args, node.under, (), 0, zeros, -1, len(node.types))
        match kind:
            case Input():
                place = self.use.graph.inputs.index(position)
                number = self._text("input", place, node.type.shape)
                return step._replace(kind=INPUT, number=number)
            case Item(index):
                return step._replace(kind=ITEM, number=index)
            case Invoke(_, steps):
                path = self._path(node)
                scan = self._text("scan", steps) if steps else -1
                number = self._inner(position, node, path)
                return step._replace(kind=USE, number=number, path=path, scan=scan)
            case Choose(hole):
                names = [known.name for known in self.use.graph.holes]
                return step._replace(kind=CHOICE, number=names.index(hole))
            case Apply(operation, when):
                return self._apply(step._replace(when=when), operation, node)
            case _:
                assert_never(kind)

    def _path(self, node: Node) -> int:
        return self.paths.setdefault(node.path, len(self.paths))

    def _inner(self, position: int, node: Node, path: int) -> int:
        """The number of an inner use; equal ones are one, but for paths that modules share."""
        use = self.use.inner[position]
        key = (id(use), path if len(self.modules[node.path]) > 1 else -1)
        if key not in self.inner:
            self.inner[key] = len(self.uses)
            self.uses.append(use)
        return self.inner[key]

    def _apply(self, step: Step, operation: Operation, node: Node) -> Step:
        match operation:
            case Zero() | Zeros():
                return step._replace(kind=ZERO)
            case Identity():
                return step._replace(kind=SAME)
            case Sum():
                return step._replace(kind=SUM, number=1)
            case Mean():
                return step._replace(kind=MEAN)
            case Average(divisor=divisor):
                return step._replace(kind=SUM, number=divisor)
            case Product():
                kind = PRODUCT
            case Concat():
                kind = CONCAT
            case _:
                kind = OPERATION
        nodes = self.use.graph.nodes
        known = facts(operation, tuple(nodes[a].type for a in node.args))
        self.dynamic |= any(when != ALWAYS for when in step.when)
        number = -1 if step.when else self.texts.setdefault(known.text, len(self.texts))
        return step._replace(
            kind=kind,
            number=number,
            path=self._path(node) if known.weights else -1,
            zero=known.zero,
            weights=known.weights,
            random=known.random,
        )
