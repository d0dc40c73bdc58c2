"""What follows what in an architecture: the walks through its graphs, in runs of a few words.

Where a walk leaves what a decision took, the alternative's label is a word; a graph's inputs are
words, and its results. What passes its input on is none, and nothing leads through a zero, so
architectures that compute the same have the same walks, however they are written. Read from the
space's own graphs: no network is resolved for it.

White, Neiswanger and Savani 2021, "BANANAS", section 3.1 encode whole paths from the input to the
output, of which there are exponentially many; of runs of n words there are not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

from archdsl.ir.formula import All, Formula, Taken, holds
from archdsl.ir.graph import Apply, Choose, Graph, Input, Node, Program
from archdsl.ops.constants import Identity, Zero
from archdsl.space.forest import Choices
from archdsl.space.view import SearchSpace

Walk: TypeAlias = tuple[str, ...]
MAX_REMEMBERED = 50_000


class Walks:
    """Runs of 2 to `length` words, and in how many places of decision an architecture has them.

    A run begins with the name of its definition: the same words mean something else elsewhere.
    """

    def __init__(self, space: SearchSpace, length: int = 3) -> None:
        places: dict[tuple[str, ...], _Place] = {}
        for index, decision in enumerate(space.decisions):
            scope = decision.scope
            if not scope.module:  # of a part in which nothing can use it
                continue
            if scope.key not in places:
                places[scope.key] = _Place(space.program, scope.module, scope.group, length)
            places[scope.key].holes[decision.hole.name] = index
        self._places = tuple(places.values())
        self.of = lru_cache(MAX_REMEMBERED)(self._of)

    def _of(self, choices: Choices) -> Mapping[Walk, int]:
        """The runs of an architecture with these choices."""
        found: Counter[Walk] = Counter()
        for place in self._places:
            found.update(place.runs(choices))
        return found


class _Place:
    """One place of decision: its graph, and the decisions that its holes are."""

    def __init__(self, program: Program, module: str, name: str, length: int) -> None:
        self.graph: Graph = program.modules[module]
        self.name = name
        self.length = length
        self.holes: dict[str, int] = {}
        self._labels = {hole.name: hole.labels for hole in self.graph.holes}
        self._under = [_terms(node.under) for node in self.graph.nodes]

    def runs(self, choices: Choices) -> set[Walk]:
        """The runs in this place; none where it does not exist."""
        if all(choices[index] is None for index in self.holes.values()):
            return set()
        chosen = {hole: choices[index] or () for hole, index in self.holes.items()}
        reads = self._reads(chosen)
        found: set[Walk] = set()
        walks: dict[int, set[Walk]] = {}
        works: dict[int, bool] = {}
        for position in sorted(reads):
            node = self.graph.nodes[position]
            walks[position], works[position] = self._begin(node)
            for argument in reads[position]:
                left = [t for t in self._under[argument] if t not in self._under[position]]
                entered = any(t not in self._under[argument] for t in self._under[position])
                words = [self._labels[t.hole][t.alternative] for t in left if works[argument]]
                walks[position] |= self._walked(walks[argument], words, found)
                works[position] |= works[argument] and not left and not entered
        for number, output in enumerate(self.graph.outputs):
            self._walked(walks[output], [f"return {number}"], found)
        return found

    def _reads(self, chosen: Mapping[str, Sequence[int]]) -> Mapping[int, Sequence[int]]:
        """For each node that the results need, what it reads under these choices."""
        found: dict[int, Sequence[int]] = {}
        todo = list(self.graph.outputs)
        while todo:
            position = todo.pop()
            if position not in found:
                found[position] = _read(self.graph.nodes[position], chosen)
                todo += found[position]
        return found

    def _begin(self, node: Node) -> tuple[set[Walk], bool]:
        """The walks that begin at a node, and whether it does something."""
        match node.kind:
            case Input(name):
                return {(name,)}, False
            case Apply(Zero()):
                return set(), False
            case Apply(Identity()) | Choose():
                return set(), False
            case _:
                return set() if node.args else {()}, True

    def _walked(self, walks: Iterable[Walk], words: Sequence[str], found: set[Walk]) -> set[Walk]:
        """The walks that go on with these words; their last runs are found."""
        gone = set(walks)
        for word in words:
            gone = {(*walk, word) for walk in gone}
            found |= {(self.name, *walk[i:]) for walk in gone for i in range(len(walk) - 1)}
            gone = {walk[1 - self.length :] for walk in gone}
        return gone


def _read(node: Node, chosen: Mapping[str, Sequence[int]]) -> Sequence[int]:
    """What a node reads where its holes take these alternatives."""

    def taken(term: Taken) -> bool:
        return term.alternative in chosen.get(term.hole, ())

    match node.kind:
        case Choose(hole):
            return [node.args[alternative] for alternative in chosen[hole]]
        case Apply(Zero()):
            return ()
        case Apply(_, when) if when:
            pairs = zip(node.args, when, strict=True)
            return [argument for argument, formula in pairs if holds(formula, taken)]
        case _:
            return node.args


def _terms(under: Formula) -> tuple[Taken, ...]:
    """The alternatives that must all be taken, inner ones first."""
    terms = under.terms if isinstance(under, All) else (under,)
    return tuple(term for term in reversed(terms) if isinstance(term, Taken))
