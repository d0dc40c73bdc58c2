"""Random graphs as compile-time values: `graph_ws`, `graph_er`, `graph_ba`.

A graph is the list of earlier nodes of each node, with every edge pointing from the smaller to the
larger number (Xie et al., "Exploring Randomly Wired Neural Networks for Image Recognition",
section 3.2). Numbers are drawn by `Random.random` alone, the one method whose sequence Python
promises for a seed, so a text means the same network everywhere and for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from random import Random

from archdsl.ir.arithmetic import is_number
from archdsl.ir.values import Family, Series, Value, kind_of
from archdsl.syntax.errors import fault
from archdsl.syntax.tree import Span

MAX_NODES = 1_000

Edges = set[tuple[int, int]]


def watts_strogatz(nodes: int, k: int, p: float, rng: Random) -> Edges:
    """A ring, each node joined to its k nearest; then every edge is moved with probability p.

    Watts and Strogatz, "Collective dynamics of 'small-world' networks": rounds by distance, nodes
    clockwise, the moved end uniform among the nodes that are not joined yet.
    """
    joined: list[set[int]] = [set() for _ in range(nodes)]
    for distance in range(1, k // 2 + 1):
        for node in range(nodes):
            _link(joined, node, (node + distance) % nodes)
    for distance in range(1, k // 2 + 1):
        for node in range(nodes):
            if rng.random() >= p or len(joined[node]) >= nodes - 1:
                continue
            old, new = (node + distance) % nodes, node
            while new == node or new in joined[node]:
                new = _below(nodes, rng)
            joined[node].remove(old)
            joined[old].remove(node)
            _link(joined, node, new)
    return {(a, b) for a, others in enumerate(joined) for b in others if a < b}


def erdos_renyi(nodes: int, p: float, rng: Random) -> Edges:
    """Every pair is joined with probability p (Erdos and Renyi; Gilbert's form)."""
    return {pair for pair in combinations(range(nodes), 2) if rng.random() < p}


def barabasi_albert(nodes: int, m: int, rng: Random) -> Edges:
    """m nodes without edges; each later one joins m earlier ones, drawn by their edges.

    Barabasi and Albert, "Emergence of scaling in random networks"; m (nodes - m) edges. The first
    later node finds no edges, so it joins all m.
    """
    edges: Edges = set()
    ends: list[int] = []  # every node as often as it has edges
    for node in range(m, nodes):
        chosen: dict[int, None] = dict.fromkeys(range(m)) if node == m else {}
        while len(chosen) < m:
            chosen[ends[_below(len(ends), rng)]] = None
        edges |= {(earlier, node) for earlier in chosen}
        ends += [*chosen, *[node] * m]
    return edges


def _link(joined: list[set[int]], one: int, other: int) -> None:
    joined[one].add(other)
    joined[other].add(one)


def _below(count: int, rng: Random) -> int:
    return int(rng.random() * count)


def _is_ring(nodes: int, k: int, p: float) -> str:
    if k < 2 or k % 2 or k >= nodes:
        return "k is even, at least 2 and below the number of nodes"
    return _is_share(nodes, p)


def _is_share(nodes: int, p: float) -> str:
    return "" if 0 <= p <= 1 else "p is a probability, 0 to 1"


def _is_degree(nodes: int, m: int) -> str:
    return "" if 1 <= m < nodes else "m is at least 1 and below the number of nodes"


GRAPHS: Mapping[str, tuple[str, Callable[..., Edges], Callable[..., str]]] = {
    "graph_ws": ("nodes, k, p, seed", watts_strogatz, _is_ring),
    "graph_er": ("nodes, p, seed", erdos_renyi, _is_share),
    "graph_ba": ("nodes, m, seed", barabasi_albert, _is_degree),
}
"""By name: the arguments, the generator, and what is wrong with arguments (or nothing)."""


def graph(name: str, arguments: Sequence[Value], span: Span) -> Family:
    """The earlier nodes of each node, as a family `g[0]`, `g[1]`, ... of series."""
    written, generate, wrong = GRAPHS[name]
    formals = written.split(", ")
    if len(arguments) != len(formals):
        raise fault(
            "E0304",
            f"{name} takes another number of arguments",
            span,
            found=str(len(arguments)),
            expected=f"{name}({written})",
        )
    given = [_argument(name, *pair, span) for pair in zip(formals, arguments, strict=True)]
    nodes, *shape, seed = given
    problem = wrong(nodes, *shape) if 1 <= nodes <= MAX_NODES else f"1 to {MAX_NODES:,} nodes"
    if problem:
        raise fault(
            "E0304",
            f"{name} cannot make this graph",
            span,
            found=", ".join(f"{n}={v}" for n, v in zip(formals, given, strict=True)),
            expected=problem,
        )
    before: dict[int, list[int]] = {node: [] for node in range(int(nodes))}
    for earlier, later in sorted(generate(nodes, *shape, Random(int(seed)))):
        before[later].append(earlier)
    return Family({(node,): _series(found) for node, found in before.items()})


def _series(numbers: Sequence[int]) -> Series:
    return Series(tuple(numbers), tuple(str(number) for number in numbers))


def _argument(name: str, formal: str, value: Value, span: Span) -> int | float:
    if is_number(value) and (formal == "p" or type(value) is int):
        return value
    raise fault(
        "E0304",
        f"{formal} of {name} is a {'number' if formal == 'p' else 'whole number'}",
        span,
        found=kind_of(value),
    )
