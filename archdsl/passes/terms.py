"""What an architecture computes, as terms: equal terms are one, zeros and identities are gone,
sums are flat, and what no output needs is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

from archdsl.ir.graph import Apply
from archdsl.ir.resolve import lives
from archdsl.ir.scan import sources
from archdsl.passes.canonical import Vertex, certificate
from archdsl.passes.shape import (
    CHOICE,
    CONCAT,
    INPUT,
    ITEM,
    MEAN,
    OPERATION,
    PRODUCT,
    SAME,
    SUM,
    USE,
    Shaped,
    Step,
    facts,
)
from archdsl.passes.uses import Decided

NOTHING = -1
"""The term of a value that is zero."""
INNER, TOTAL, PART = 1 << 20, 2 << 20, 3 << 20
"""Labels from here on: inner uses by rank, sums by divisor, items by index."""


class Known(NamedTuple):
    """What a use of a module needs to know of it, beside the name of its canonical form.

    `results`: for each, NOTHING if it is zero, i if it is input i, None otherwise. `reads`: the
    inputs that matter. `weights`, `random`: whether it has parameters, or draws numbers.
    """

    results: tuple[int | None, ...]
    reads: tuple[int, ...]
    weights: bool
    random: bool


class Form(NamedTuple):
    """The canonical form of a module with its labels left out.

    `digest` names it, `labels` are what is to be put in: numbers of the graph's own labels, or
    from INNER on ranks of inner uses.
    """

    digest: bytes
    labels: tuple[int, ...]
    known: Known


def form_of(
    shape: Shaped, decided: Decided, inner: Sequence[Known | None], ranks: Sequence[int]
) -> Form:
    """What a graph is under these decisions.

    `inner`: what is known of its uses; None where one does not exist. `ranks`: how the names of
    their forms are ordered, equal for equal names.
    """
    return _Terms(shape, decided, inner, ranks).form()


@dataclass(slots=True, eq=False)
class _Terms:
    shape: Shaped
    decided: Decided
    inner: Sequence[Known | None]
    ranks: Sequence[int]
    vertices: list[Vertex] = field(default_factory=list)
    made: dict[Hashable, int] = field(default_factory=dict)
    sums: dict[int, dict[int, int]] = field(default_factory=dict)
    """How often each term stands in a sum: written out, sums of sums would grow as 2^n."""
    ties: dict[int, int] = field(default_factory=dict)
    values: list[tuple[int, ...]] = field(default_factory=list)
    weights: bool = False
    random: bool = False

    def form(self) -> Form:
        self._run()
        steps, values = self.shape.steps, self.values
        outputs = [
            value if value != NOTHING else self._zeros(steps[output])
            for output in self.shape.graph.outputs
            for value in values[output]
        ]
        inputs = [values[i][0] for i in self.shape.graph.inputs]
        reached = self._reached(outputs)
        digest, labels = self._canonical(reached, outputs)
        results = (values[output][0] for output in self.shape.graph.outputs)
        known = Known(
            results=tuple(
                NOTHING if r == NOTHING else inputs.index(r) if r in inputs else None
                for r in results
            ),
            reads=tuple(i for i, value in enumerate(inputs) if value in reached),
            weights=self.weights,
            random=self.random,
        )
        return Form(digest, labels, known)

    def _run(self) -> None:
        chosen = {
            name: taken or () for name, taken in zip(self.shape.holes, self.decided, strict=True)
        }
        values, steps = self.values, self.shape.steps
        values += [()] * len(steps)
        for position in self.shape.masks.holding(self.decided):
            step = steps[position]
            args = step.args
            if step.when:
                present = zip(args, step.when, strict=True)
                args = tuple([arg for arg, when in present if lives(when, chosen)])
            values[position] = self._value(position, step, args)

    def _value(self, position: int, step: Step, args: tuple[int, ...]) -> tuple[int, ...]:
        """The terms that a step stands for; NOTHING where it is zero."""
        values, kind = self.values, step.kind
        if kind == INPUT:
            self.vertices.append(Vertex(step.number))
            return (len(self.vertices) - 1,)
        if kind == ITEM:
            return (values[args[0]][step.number],)
        if kind == CHOICE:
            ((taken,),) = (self.decided[step.number] or (),)
            return values[args[taken]]
        if kind == SAME:
            return values[args[0]]
        if kind == USE:
            return self._use(step, args)
        given = [values[arg][0] for arg in args]
        if kind == SUM:
            return (self._sum(given, step.number),)
        if kind == MEAN:
            return (self._sum(given, len(given)),)
        if kind in (OPERATION, PRODUCT, CONCAT):
            return self._operation(position, step, args, given)
        return (NOTHING,) * step.results

    def _operation(
        self, position: int, step: Step, args: tuple[int, ...], given: list[int]
    ) -> tuple[int, ...]:
        if step.kind != OPERATION and len(given) == 1:
            return (given[0],)
        if step.kind == PRODUCT and NOTHING in given:
            return (NOTHING,)
        if step.zero and given and all(argument == NOTHING for argument in given):
            return (NOTHING,) * step.results
        self.random |= step.random
        self.weights |= step.weights
        number = step.number if step.number >= 0 else self._dynamic(position, args)
        return self._several(step, number, args, given, step.kind != PRODUCT, step.random)

    def _dynamic(self, position: int, args: tuple[int, ...]) -> int:
        """The label of a join of those arguments that are there."""
        nodes = self.shape.graph.nodes
        kind = nodes[position].kind
        assert isinstance(kind, Apply)
        known = facts(kind.operation, tuple(nodes[arg].type for arg in args))
        return self.shape.label(known.text)

    def _use(self, step: Step, args: tuple[int, ...]) -> tuple[int, ...]:
        used = self.inner[step.number]
        assert used is not None
        self.random |= used.random
        self.weights |= used.weights
        given = [self.values[arg][0] for arg in args]
        if step.scan >= 0:
            return self._scan(step, used, args, given)
        if all(result is not None for result in used.results):
            return tuple(NOTHING if r in (None, NOTHING) else given[r] for r in used.results)
        read = [given[i] for i in used.reads]
        sources = tuple(args[i] for i in used.reads)
        label = INNER + self.ranks[step.number]
        own = step if used.weights else step._replace(path=-1)
        made = self._several(own, label, sources, read, True, used.random)
        return tuple(
            term if result is None else NOTHING if result == NOTHING else given[result]
            for term, result in zip(made, used.results, strict=True)
        )

    def _scan(
        self, step: Step, used: Known, args: tuple[int, ...], given: list[int]
    ) -> tuple[int, ...]:
        """A use over a sequence: a step's results are fed back, so all inputs may matter."""
        own = step if used.weights else step._replace(path=-1)
        label = INNER + self.ranks[step.number]
        over = own._replace(results=1)
        (whole,) = self._several(over, label, args, given, True, used.random)
        scan = self._term((step.scan, whole), Vertex(step.scan, (whole,)))
        zero = [used.results[i] == NOTHING for i in sources(len(args) - 1, len(used.results))]
        return tuple(
            NOTHING if nothing else self._term((PART + i, scan), Vertex(PART + i, (scan,)))
            for i, nothing in enumerate(zero)
        )

    def _several(
        self,
        step: Step,
        label: int,
        sources: tuple[int, ...],
        given: list[int],
        ordered: bool,
        random: bool,
    ) -> tuple[int, ...]:
        """The term of a step, and those of its results where it has several."""
        if NOTHING in given:
            given = [
                self._zeros(self.shape.steps[source]) if value == NOTHING else value
                for source, value in zip(sources, given, strict=True)
            ]
        args = tuple(given) if ordered else tuple(sorted(given))
        tie = self.ties.setdefault(step.path, len(self.ties)) if step.path >= 0 else -1
        unique = len(self.vertices) if random else -1
        term = self._term((label, args, tie, unique), Vertex(label, args, ordered, tie))
        if step.results == 1:
            return (term,)
        return tuple(
            self._term((PART + i, term), Vertex(PART + i, (term,))) for i in range(step.results)
        )

    def _sum(self, given: Sequence[int], divisor: int) -> int:
        """A sum over a divisor: flat, without zeros; one term over one is that term."""
        counts = self._counted([argument for argument in given if argument != NOTHING])
        terms = tuple(sorted(counts))
        times: tuple[int, ...] = tuple([counts[term] for term in terms])
        if not counts or (times == (1,) and divisor == 1):
            return terms[0] if terms else NOTHING
        if max(times) == 1:
            times = ()
        label = TOTAL + divisor
        made = self._term((label, terms, times), Vertex(label, terms, ordered=False, times=times))
        if divisor == 1:
            self.sums[made] = counts
        return made

    def _counted(self, given: Sequence[int]) -> dict[int, int]:
        """How often each term stands in the sum of these."""
        counts = dict(self.sums.get(given[0], {given[0]: 1})) if given else {}
        for argument in given[1:]:
            for term, times in self.sums.get(argument, {argument: 1}).items():
                counts[term] = counts.get(term, 0) + times
        return counts

    def _zeros(self, step: Step) -> int:
        """Zeros that an operation reads."""
        return self._term((step.zeros,), Vertex(step.zeros))

    def _term(self, key: Hashable, vertex: Vertex) -> int:
        known = self.made.get(key)
        if known is None:
            known = self.made[key] = len(self.vertices)
            self.vertices.append(vertex)
        return known

    def _reached(self, outputs: list[int]) -> set[int]:
        reached: set[int] = set()
        stack = list(outputs)
        while stack:
            value = stack.pop()
            if value not in reached:
                reached.add(value)
                stack.extend(self.vertices[value].args)
        return reached

    def _canonical(self, reached: set[int], outputs: list[int]) -> tuple[bytes, tuple[int, ...]]:
        """The name of the canonical form, and the labels that are not in it.

        Labels are numbered by their order; weights of one user are its own.
        """
        order = sorted(reached)
        vertices = [self.vertices[old] for old in order]
        number = {old: new for new, old in enumerate(order)}
        labels = self._sorted({vertex.label for vertex in vertices})
        rank = {label: place for place, label in enumerate(labels)}
        users = Counter([vertex.tie for vertex in vertices])
        live = tuple(
            [
                Vertex(
                    rank[label],
                    tuple([number[argument] for argument in args]),
                    ordered,
                    tie if tie >= 0 and users[tie] > 1 else -1,
                    times,
                )
                for label, args, ordered, tie, times in vertices
            ]
        )
        fixed = [label if label >= TOTAL else -1 for label in labels]
        written = certificate(live, [number[output] for output in outputs])
        name = blake2b(repr((fixed, written)).encode(), digest_size=16).digest()
        return name, tuple(label for label in labels if label < TOTAL)

    def _sorted(self, labels: set[int]) -> list[int]:
        if not self.shape.dynamic:
            return sorted(labels)
        texts = self.shape.texts
        own = sorted((label for label in labels if label < INNER), key=texts.__getitem__)
        return own + sorted(label for label in labels if label >= INNER)
