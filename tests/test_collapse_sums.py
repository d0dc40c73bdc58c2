"""Sums and chains of maps along an axis: what becomes one matrix, and that slips are noticed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from archdsl.ir.graph import Apply, Program
from archdsl.library import Library
from archdsl.ops import pooling
from archdsl.passes import collapse_sums, laws, matrices
from archdsl.passes.driver import DEPLOYMENT, optimise
from archdsl.passes.matrices import Behind, Front
from archdsl.passes.weights import LONGEST, Source, size_of
from archdsl.verify.compare import verify_optimised
from tests.shipped import written

TEXT = """archdsl 1
space sums {
  cell over_positions(x) {
    a = x -> tokens_linear(bias=yes)
    b = a -> pool -> tokens_linear(bias=yes) -> avg_pool(3)
    c = (x + (a -> gate -> tokens_linear) + b) -> tokens_linear(bias=yes)
    return mean(c, x -> tanh -> tokens_linear(bias=yes))
  }
  cell over_channels(x) {
    a = x + (x -> conv(8) -> scale -> conv(8)) + (x -> bn)
    return ((a -> conv(8)@w) + (x -> tanh -> conv(8)@w)) -> conv(6)
  }
  net network(image: 4 x 4 x 4) {
    a = image -> over_positions -> relu -> conv(8, k=3) -> relu -> over_channels -> relu
    b = (a + (a -> conv(6))) -> relu -> global_pool
    return (((b -> linear(5)@t) + (b -> tanh -> linear(5)@t)) -> linear(4))
  }
}
"""
MIXER = "mixer[id; 1 pool; 1 id; 2 pool; 3 id; 3 pool; 4 id]"


def program() -> Program:
    return written(TEXT).program


def used(network: Program, cell: str) -> Counter[str]:
    """The operations of the first graph of that name, by keyword."""
    graph = next(graph for graph in network.modules.values() if graph.definition == cell)
    return Counter(n.kind.operation.keyword for n in graph.nodes if isinstance(n.kind, Apply))


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ("", {"attention": 1, "tokens_linear": 2, "sum": 1}),
        (", entry=no", {"tokens_linear": 1}),
        (', semantics="as_intended"', {"tokens_linear": 1}),
    ],
)
def test_a_mixer_is_one_matrix_of_each_of_its_inputs(options: str, left: dict[str, int]) -> None:
    text = f'metaformer_nas(nodes=7, size=56, edge="linear"{options})/{MIXER}'
    network = Library().find(text).network()
    optimised = optimise(network, DEPLOYMENT)
    assert used(optimised.program, "mixer") == left
    assert verify_optimised(network, optimised).ok


def test_both_axes_in_cells() -> None:
    optimised = optimise(program(), DEPLOYMENT)
    assert used(optimised.program, "over_positions")["tokens_linear"] == 2
    assert used(optimised.program, "over_channels")["conv"] == 2
    assert verify_optimised(program(), optimised).ok


def test_long_chains_become_several_matrices() -> None:
    """Laws are worked out one inside another, so there is an end to them."""
    body = f"x -> (linear(4) -> scale)^{3 * LONGEST} -> relu"
    network = written(f"archdsl 1\nspace long {{ net network(x: 4) = {body} }}\n").program
    optimised = optimise(network, DEPLOYMENT)
    assert 1 < used(optimised.program, "network")["linear"] < 30
    assert all(size_of(source) <= 4 * LONGEST for source in optimised.weights.entries.values())


# ---- slips -----------------------------------------------------------------------------

Slip = Callable[[pytest.MonkeyPatch], None]
RIGHT_ADDED = collapse_sums._added
RIGHT_JOIN, RIGHT_ALONG, RIGHT_CHANNELS = matrices.RULES
RIGHT_MEANS = pooling._means


def _rules(
    join: Any = RIGHT_JOIN, along: Any = RIGHT_ALONG, channels: Any = RIGHT_CHANNELS
) -> Slip:
    return lambda patch: patch.setattr(matrices, "RULES", (join, along, channels))


def _changed(rule: Any, change: Callable[[Behind, Front], Front]) -> Any:
    def wrong(behind: Behind, operation: Any) -> Front | None:
        found = rule(behind, operation)
        return None if found is None else change(behind, found)

    return wrong


def _swapped(patch: pytest.MonkeyPatch) -> None:
    right = laws.composed
    patch.setattr(matrices, "composed", lambda stride: lambda one, two: right(stride)(two, one))


def _passed_unchanged(front: Front, shifts: Sequence[Source | None]) -> Source | None:
    return matrices.shifted(replace(front, matrices=(None,) * len(shifts)), shifts)


def _bias_dropped(front: Front, shifts: Sequence[Source | None]) -> Source | None:
    given = any(shifts)
    return matrices.shifted(replace(front, shift=None) if given else front, shifts)


def _first_shift(front: Front, shifts: Sequence[Source | None]) -> Source | None:
    return matrices.shifted(front, (*shifts[:1], *[None] * (len(shifts) - 1)))


def _skip_forgotten(one: Source | None, other: Source | None, size: int) -> Source:
    return (one if other is None else None if one else other) or RIGHT_ADDED(one, other, size)


SLIPS: dict[str, Slip] = {
    "a bias dropped": lambda p: p.setattr(collapse_sums, "shifted", _bias_dropped),
    "a bias not multiplied": lambda p: p.setattr(collapse_sums, "shifted", _passed_unchanged),
    "the bias of one path": lambda p: p.setattr(collapse_sums, "shifted", _first_shift),
    "a product in the wrong order": _swapped,
    "a path forgotten": lambda p: p.setattr(
        collapse_sums, "_added", lambda one, other, size: other or RIGHT_ADDED(one, other, size)
    ),
    "a skip forgotten": lambda p: p.setattr(collapse_sums, "_added", _skip_forgotten),
    "a mean taken for a sum": _rules(
        join=lambda behind, operation: (
            Front((behind.matrix,) * len(found.matrices))
            if (found := RIGHT_JOIN(behind, operation))
            else None
        )
    ),
    "the sigmoid of a gate forgotten": lambda p: p.setattr(
        matrices, "GATED", laws.Law("gated", lambda parts: parts[0] * parts[1])
    ),
    "a factor on the outputs": lambda p: p.setattr(matrices, "COLUMNS", laws.ROWS),
    "a factor forgotten": _rules(
        channels=_changed(RIGHT_CHANNELS, lambda b, f: replace(f, matrices=(b.matrix,)))
    ),
    "a shift of channels forgotten": _rules(
        channels=_changed(RIGHT_CHANNELS, lambda b, f: replace(f, shift=None))
    ),
    "a bias that counts twice counted once": lambda p: p.setattr(
        matrices, "times", lambda number: laws.times(min(number, 1))
    ),
    "padding counted": lambda p: p.setattr(
        pooling, "_means", lambda h, w, k, counted: RIGHT_MEANS(h, w, k, counted=True)
    ),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_noticed(slip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = program()
    SLIPS[slip](monkeypatch)
    assert not verify_optimised(plain, optimise(plain, DEPLOYMENT)).ok
