"""Tree search over partial strings: from the root, what looks best and was tried least.

A node is what the decisions before one take; its children are the ways to take that one. Below
the first node that is new the rest is drawn uniformly, and what the architecture was worth is
told to all nodes above.

    score = mean + c sqrt(2 ln(visits of the parent) / visits)     UCB1, Auer et al. 2002

Kocsis and Szepesvari 2006, "Bandit Based Monte-Carlo Planning"; for architectures Wistuba 2017,
"Finding Competitive Network Architectures Within a Day Using UCT", section 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil, inf, log, sqrt
from random import Random
from typing import ClassVar

from archdsl.controllers.history import Historic
from archdsl.controllers.settings import within
from archdsl.space.architecture import Architecture
from archdsl.space.forest import Partial
from archdsl.space.subsets import Taken
from archdsl.space.view import SearchSpace
from archdsl.syntax.tree import Quantity

TRIES = 4
"""Draws for each way on, until one that is new is found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeSettings:
    """`exploration` is c, for rewards scaled to 0..1 by the least and the greatest so far. A node
    with many ways on (a set of many) tries new ones while it has fewer children than
    `width` sqrt(visits).
    """

    keyword: ClassVar[str] = "tree"

    exploration: float = 0.1
    width: float = 4.0

    def __post_init__(self) -> None:
        within(self, 0, "exploration", "width")

    def over(self, space: SearchSpace, seed: int) -> Tree:
        return Tree(space, self, seed=seed)


@dataclass(slots=True)
class Node:
    """`visits`: how often it was proposed; `told` of them have rewards, `total` in all."""

    visits: int = 0
    told: int = 0
    total: float = 0.0
    children: dict[Taken, Node] = field(default_factory=dict)


class Tree(Historic[TreeSettings]):
    """The tree of what was proposed; proposals that wait for a reward count as visits."""

    def forget(self) -> None:
        self.root = Node()
        self.least, self.greatest = inf, -inf

    def propose(self, rng: Random) -> Architecture:
        node = self.root
        choices: list[Taken | None] = [None] * len(self.space.decisions)
        for index in self.space.free:
            if not self.space.exists(index, choices):
                continue
            for drawn in self._untried(node, index, choices, rng):
                if drawn.choices[index] not in node.children:
                    return drawn
            taken = self._best(node, rng)
            choices[index] = taken
            node = node.children[taken]
        return self.completed(tuple(choices), rng)

    def proposed(self, architecture: Architecture) -> None:
        path = list(self._path(architecture))
        last, taken = path[-1]
        if taken is not None:
            last.children[taken] = Node(visits=1)
        for node, _ in path:
            node.visits += 1

    def learn(self, told: Sequence[tuple[Architecture, float]]) -> None:
        for architecture, reward in told:
            self.least, self.greatest = min(self.least, reward), max(self.greatest, reward)
            for node, _ in self._path(architecture):
                node.told += 1
                node.total += reward

    def _untried(
        self, node: Node, index: int, choices: Partial, rng: Random
    ) -> Iterator[Architecture]:
        """Architectures that go on from here, while a node may still have more children."""
        hole = self.space.decisions[index].hole
        ways = self.space.forest.values(index, choices).total
        if hole.quantity is not Quantity.ONE:
            ways = min(ways, max(1, ceil(self.settings.width * sqrt(node.visits))))
        if len(node.children) < ways:
            for _ in range(TRIES * len(hole.labels)):
                yield self.completed(tuple(choices), rng)

    def _path(self, architecture: Architecture) -> Iterator[tuple[Node, Taken | None]]:
        """The nodes of an architecture from the root on, as far as they are known, and what it
        takes there; None behind the last."""
        node = self.root
        for index in self.space.free:
            taken = architecture.choices[index]
            if taken is not None:
                yield node, taken
                if taken not in node.children:
                    return
                node = node.children[taken]
        yield node, None

    def _best(self, node: Node, rng: Random) -> Taken:
        """The child with the highest score, any of equals."""
        scores = {taken: self._score(child, node) for taken, child in node.children.items()}
        most = max(scores.values())
        return rng.choice([taken for taken, score in scores.items() if score == most])

    def _score(self, child: Node, parent: Node) -> float:
        spread = self.greatest - self.least
        mean = child.total / child.told if child.told else self.greatest
        worth = (mean - self.least) / spread if spread > 0 else 0.0
        return worth + self.settings.exploration * sqrt(2 * log(parent.visits) / child.visits)
