"""Random graphs: their definitions, and that a seed means the same graph for ever."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from statistics import mean

import networkx
import pytest

from archdsl.ir import wiring
from archdsl.ir.values import Family, Series
from archdsl.syntax.tree import Source, Span

SPAN = Span(source=Source(name="test", text=""), start=0, end=0)


class Plain(Random):
    """Draws everything by `random` alone, as our generators do."""

    def choice(self, seq: Sequence[int]) -> int:  # type: ignore[override]
        return seq[int(self.random() * len(seq))]


def before(name: str, *arguments: float) -> dict[int, tuple[int, ...]]:
    family = wiring.graph(name, arguments, SPAN)
    assert isinstance(family, Family)
    found = {}
    for (node,), series in family.members.items():
        assert isinstance(series, Series)
        found[node] = series.values
    return found  # type: ignore[return-value]


def pairs(found: dict[int, tuple[int, ...]]) -> set[tuple[int, int]]:
    return {(earlier, later) for later, lists in found.items() for earlier in lists}


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("nodes", "k", "p"), [(32, 4, 0.75), (9, 2, 0.5), (12, 4, 1.0), (8, 4, 0)])
def test_watts_strogatz_is_networkx_graph(nodes: int, k: int, p: float, seed: int) -> None:
    expected = networkx.watts_strogatz_graph(nodes, k, p, seed=Plain(seed))
    edges = {(min(edge), max(edge)) for edge in expected.edges}
    assert pairs(before("graph_ws", nodes, k, p, seed)) == edges
    assert len(edges) == nodes * k // 2


@pytest.mark.parametrize("seed", range(20))
def test_erdos_renyi_is_networkx_graph(seed: int) -> None:
    expected = networkx.gnp_random_graph(32, 0.2, seed=Plain(seed))
    assert pairs(before("graph_er", 32, 0.2, seed)) == {tuple(sorted(e)) for e in expected.edges}


@pytest.mark.parametrize("m", [1, 5, 7])
def test_barabasi_albert_has_its_edges(m: int) -> None:
    found = before("graph_ba", 32, m, 3)
    assert [len(found[node]) for node in range(32)] == [0] * m + [m] * (32 - m)
    assert all(earlier < later for earlier, later in pairs(found))


def test_barabasi_albert_prefers_nodes_with_edges() -> None:
    """With m = 1, a node joins an earlier one with probability degree / (2 x edges)."""
    first = [before("graph_ba", 4, 1, seed)[3][0] for seed in range(4_000)]
    # Node 2 joins 0 or 1, alike after the first edge; the one that it takes then has 2 of 4 ends.
    assert mean(node == 2 for node in first) == pytest.approx(0.25, abs=0.03)


def test_seeds_mean_the_same_graph_for_ever() -> None:
    assert before("graph_ws", 6, 2, 0.5, 1) == {
        0: (),
        1: (),
        2: (),
        3: (0, 1, 2),
        4: (0,),
        5: (2, 4),
    }
    assert before("graph_er", 5, 0.5, 1) == {0: (), 1: (0,), 2: (1,), 3: (1,), 4: (0, 2, 3)}
    assert before("graph_ba", 6, 2, 1) == {0: (), 1: (), 2: (0, 1), 3: (0, 2), 4: (2, 3), 5: (2, 3)}


def test_a_full_node_keeps_its_edges() -> None:
    assert len(pairs(before("graph_ws", 4, 2, 1.0, 1))) == 4
    assert len(pairs(before("graph_ws", 5, 4, 1.0, 1))) == 10
