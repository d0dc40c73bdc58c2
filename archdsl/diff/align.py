"""Which parts of two programs correspond: stable names first, structure second.

Modules correspond by their definition's name, then by what they consist of. Nodes correspond
by the names of their weights and values; where names end, by Weisfeiler-Lehman colours (what a
node computes, from what, for whom), and last in the order of the text.

Exact graph edit distance is no alternative: on cells of eleven nodes it takes longer than a
reader waits. This takes near-linear time and finds names, which is what a reader compares.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from archdsl.ir.graph import Apply, Graph, Input, Invoke, Node, Program

ALIKE = 0.5  # modules of other names correspond when they share this part of their nodes

WINDOW = 1_000  # nodes without names are compared in pieces of this length: the time is quadratic


@dataclass(frozen=True, slots=True)
class Alignment:
    """Modules of the one by key, and nodes of each by position, to those of the other."""

    modules: Mapping[str, str]
    nodes: Mapping[str, Mapping[int, int]]


def align(a: Program, b: Program) -> Alignment:
    modules = align_modules(a, b)
    nodes = {
        key: align_nodes(a.modules[key], b.modules[other], modules)
        for key, other in modules.items()
    }
    return Alignment(modules, nodes)


# --- modules ---------------------------------------------------------------------------------


def align_modules(a: Program, b: Program) -> dict[str, str]:
    """The net with the net; then one definition with itself; then what is built alike."""
    found = {a.root: b.root}
    rules: tuple[Callable[[str, Graph], Hashable], ...] = (
        lambda key, graph: (key, graph.definition, graph.family),
        lambda key, graph: (graph.definition, graph.family, _inputs(graph)),
        lambda key, graph: (graph.definition, graph.family),
    )
    for rule in rules:
        _pair_modules(a, b, found, rule)
    _pair_alike(a, b, found)
    return {key: found[key] for key in a.modules if key in found}


def _pair_modules(
    a: Program,
    b: Program,
    found: dict[str, str],
    rule: Callable[[str, Graph], Hashable],
) -> None:
    """Pair modules that a rule gives equal names, in their order."""
    taken = set(found.values())
    waiting: dict[Hashable, list[str]] = {}
    for key, graph in b.modules.items():
        if key not in taken:
            waiting.setdefault(rule(key, graph), []).append(key)
    for key, graph in a.modules.items():
        if key not in found and (others := waiting.get(rule(key, graph))):
            found[key] = others.pop(0)


def _pair_alike(a: Program, b: Program, found: dict[str, str]) -> None:
    """Pair the modules left that share most of their operations, the most alike first."""
    taken = set(found.values())
    ours = {key: _parts(graph) for key, graph in a.modules.items() if key not in found}
    theirs = {key: _parts(graph) for key, graph in b.modules.items() if key not in taken}
    scores = [
        (-_likeness(parts, other), i, j, key, other_key)
        for i, (key, parts) in enumerate(ours.items())
        for j, (other_key, other) in enumerate(theirs.items())
    ]
    for score, _, _, key, other_key in sorted(scores):
        if -score < ALIKE:
            break
        if key not in found and other_key not in taken:
            found[key] = other_key
            taken.add(other_key)


def _inputs(graph: Graph) -> Hashable:
    return tuple(graph.nodes[i].types for i in graph.inputs)


def _parts(graph: Graph) -> Counter[Hashable]:
    return Counter(_keyword(node) for node in graph.nodes if not isinstance(node.kind, Input))


def _likeness(a: Counter[Hashable], b: Counter[Hashable]) -> float:
    """Jaccard's index of two multisets."""
    return (a & b).total() / max((a | b).total(), 1)


# --- nodes -----------------------------------------------------------------------------------


class _Pairing:
    """A correspondence that grows rule by rule; what is paired stays paired."""

    def __init__(self, a: Graph, b: Graph) -> None:
        self.a, self.b = a, b
        self.found: dict[int, int] = {}
        self.taken: set[int] = set()

    def add(self, i: int, j: int) -> None:
        self.found[i] = j
        self.taken.add(j)

    def left(self) -> tuple[list[int], list[int]]:
        """The positions without a partner."""
        return (
            [i for i in range(len(self.a.nodes)) if i not in self.found],
            [j for j in range(len(self.b.nodes)) if j not in self.taken],
        )

    def by_name(self, name: Callable[[Node], Hashable | None]) -> None:
        """Pair nodes of equal names, in order where several of each share one."""
        left_a, left_b = self.left()
        self._by_groups(
            [(i, name(self.a.nodes[i])) for i in left_a],
            [(j, name(self.b.nodes[j])) for j in left_b],
        )

    def by_colour(self, colours: tuple[list[int], list[int]]) -> None:
        """Pair nodes of equal colours that are equally many on both sides."""
        left_a, left_b = self.left()
        self._by_groups([(i, colours[0][i]) for i in left_a], [(j, colours[1][j]) for j in left_b])

    def by_order(self, colours: tuple[list[int], list[int]]) -> None:
        """Pair nodes of equal colours that both sides have in the same order."""
        left_a, left_b = self.left()
        parts = -(-max(len(left_a), len(left_b)) // WINDOW)
        for part in range(parts):
            ours, theirs = _part(left_a, part, parts), _part(left_b, part, parts)
            matcher = SequenceMatcher(
                None, [colours[0][i] for i in ours], [colours[1][j] for j in theirs], autojunk=False
            )
            for i, j, size in matcher.get_matching_blocks():
                for step in range(size):
                    self.add(ours[i + step], theirs[j + step])

    def _by_groups(
        self, left: list[tuple[int, Hashable | None]], right: list[tuple[int, Hashable | None]]
    ) -> None:
        waiting: dict[Hashable, list[int]] = {}
        for j, name in right:
            waiting.setdefault(name, []).append(j)
        groups: dict[Hashable, list[int]] = {}
        for i, name in left:
            groups.setdefault(name, []).append(i)
        for name, group in groups.items():
            others = waiting.get(name, [])
            if name is not None and len(group) == len(others):
                for i, j in zip(group, others, strict=True):
                    self.add(i, j)


def _part(positions: list[int], number: int, parts: int) -> list[int]:
    size = len(positions)
    return positions[size * number // parts : size * (number + 1) // parts]


def align_nodes(a: Graph, b: Graph, modules: Mapping[str, str]) -> dict[int, int]:
    """The nodes of two graphs that correspond, by position, in the order of `a`."""
    pairing = _Pairing(a, b)
    pairing.by_name(lambda node: node.kind if isinstance(node.kind, Input) else None)
    pairing.by_name(lambda node: (node.path, node.label, _keyword(node)) if node.path else None)
    pairing.by_name(lambda node: (node.path, _keyword(node)) if node.path else None)
    pairing.by_name(lambda node: (node.label, _keyword(node)) if node.label else None)
    exact = _colours(pairing, lambda node: _meaning(node, modules), lambda node: node.kind)
    for depth in (3, 1):
        pairing.by_colour(_refine(pairing, exact, depth))
    pairing.by_order(_refine(pairing, exact, 1))
    pairing.by_order(exact)
    pairing.by_name(lambda node: node.path or None)
    pairing.by_name(lambda node: node.label or None)
    pairing.by_order(_colours(pairing, _keyword, _keyword))
    return dict(sorted(pairing.found.items()))


def _keyword(node: Node) -> Hashable:
    """What sort of node it is, whatever its arguments."""
    return node.kind.operation.keyword if isinstance(node.kind, Apply) else type(node.kind).__name__


def _meaning(node: Node, modules: Mapping[str, str]) -> Hashable:
    """What it computes from its inputs, modules under their names in the other program."""
    if not isinstance(node.kind, Invoke):
        return node.kind
    other = modules.get(node.kind.module)
    return replace(node.kind, module=other) if other is not None else ("gone", node.kind.module)


def _colours(
    pairing: _Pairing, ours: Callable[[Node], Hashable], theirs: Callable[[Node], Hashable]
) -> tuple[list[int], list[int]]:
    """Numbers for equal descriptions, the same on both sides."""
    numbers: dict[Hashable, int] = {}
    return (
        [numbers.setdefault(ours(node), len(numbers)) for node in pairing.a.nodes],
        [numbers.setdefault(theirs(node), len(numbers)) for node in pairing.b.nodes],
    )


def _refine(
    pairing: _Pairing, colours: tuple[list[int], list[int]], rounds: int
) -> tuple[list[int], list[int]]:
    """Weisfeiler-Lehman: colours that also tell those of the inputs and of the users.

    Pairs found so far have colours of their own, so that neighbourhoods are anchored in them.
    """
    a, b = list(colours[0]), list(colours[1])
    start = max((*a, *b), default=0) + 1
    for number, (i, j) in enumerate(pairing.found.items(), start=start):
        a[i] = b[j] = number
    users_a, users_b = _users(pairing.a), _users(pairing.b)
    for _ in range(rounds):
        numbers: dict[Hashable, int] = {}
        a = _round(pairing.a, users_a, a, numbers)
        b = _round(pairing.b, users_b, b, numbers)
    return a, b


def _round(
    graph: Graph, users: list[list[int]], colours: list[int], numbers: dict[Hashable, int]
) -> list[int]:
    result = []
    for i, node in enumerate(graph.nodes):
        inputs = tuple(colours[arg] for arg in node.args)
        outputs = tuple(sorted(colours[user] for user in users[i]))
        result.append(numbers.setdefault((colours[i], inputs, outputs), len(numbers)))
    return result


def _users(graph: Graph) -> list[list[int]]:
    users: list[list[int]] = [[] for _ in graph.nodes]
    for i, node in enumerate(graph.nodes):
        for arg in node.args:
            users[arg].append(i)
    return users
