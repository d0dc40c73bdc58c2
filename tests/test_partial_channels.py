"""Mixtures on a part of the channels: against networks by hand, and the sums that spaces say."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from fractions import Fraction

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import archdsl
from archdsl.ir.graph import Program
from archdsl.load import Mixture, load_mixture
from archdsl.ops.base import Operation
from archdsl.ops.pooling import AvgPool
from archdsl.ops.rearrange import Channels, Shuffle
from archdsl.passes import partial_channels as rewrite
from archdsl.passes.partial_channels import partial_channels
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import ArchError
from archdsl.verify.equal import EXACT, randomise
from archdsl.verify.mixtures import verify_mixture
from archdsl.verify.plain import plain_network
from benchmarks.references.darts_search import EDGES, SearchNetwork, own_name
from tests.shipped import shipped, written
from tests.verify_spaces import tiny

HALF, QUARTER = Fraction(1, 2), Fraction(1, 4)
TEXT = """
archdsl 1

space part(width=8) {{
{blocks}
  net network(x: 3 x 6 x 6) {{
    y = x -> conv(width, k=3) -> {choice}
    return y -> relu -> global_pool -> linear(4)
  }}
}}
"""


def part(choice: str, blocks: str = "") -> SearchSpace:
    return written(TEXT.format(choice=choice, blocks=blocks).lstrip())


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


# --- networks by hand ----------------------------------------------------------------------------


def by_gates(mixture: Mixture, weights: list[Tensor], edges: list[Tensor]) -> dict[str, Tensor]:
    """The gates of `darts_search` from rows for its edges and a weight for each edge."""
    found = {}
    for key in mixture.sizes:
        cell, _, hole = key.partition(":")
        kind = ("normal", "reduce").index(cell)
        numbers = [int(number) for number in hole.split("_") if number.isdigit()]
        if hole.startswith("op_"):
            node, source = numbers
            found[key] = weights[kind][EDGES.index((source, node))]
        else:
            found[key] = edges[kind][[i for i, (_, node) in enumerate(EDGES) if node == numbers[0]]]
    return found


class Sides:
    """PC-DARTS by hand and the generated mixture, on the same images, weights and gates.

    Of the first node both edges are taken anyway, so they have no weight.
    """

    def __init__(self, parts: int, layers: int, width: int = 8) -> None:
        space = shipped("darts_search", width=width, layers=layers, size=8)
        mixture = load_mixture(partial_channels(space.program, Fraction(1, parts)))
        network = SearchNetwork(width=width, layers=layers, parts=parts).double()
        generator = torch.Generator().manual_seed(0)
        randomise(network, generator)
        state = {name(n, network): t for n, t in network.state_dict().items()}
        mixture.module.double().load_state_dict(state)
        drawn = {"generator": generator, "dtype": torch.float64}
        images = torch.randn(3, 3, 8, 8, **drawn)
        logits = [torch.randn(size, **drawn).requires_grad_() for size in 2 * ((14, 8), (12,))]
        weights = [one.softmax(1) for one in logits[::2]]
        edges = [
            torch.cat([torch.ones(2), *(part.softmax(0) for part in one.split((3, 4, 5)))])
            for one in logits[1::2]
        ]
        self.wanted = network(images, *weights, (edges[0], edges[1]))
        self.found = mixture(images, mixture.gates(by_gates(mixture, weights, edges)))
        by_hand = {name(n, network): p for n, p in network.named_parameters()}
        named = dict(mixture.module.named_parameters())
        assert named.keys() == by_hand.keys()
        self.tensors = ([*logits, *by_hand.values()], [*logits, *(named[n] for n in by_hand)])

    def outputs(self) -> float:
        """How far outputs are apart, relative."""
        found, wanted = self.found.detach(), self.wanted.detach()
        return float((found - wanted).abs().max() / wanted.abs().max())

    def gradients(self) -> float:
        """How far any gradients are apart, of the largest."""
        pairs = zip((self.wanted, self.found), self.tensors, strict=True)
        wanted, found = (
            torch.autograd.grad(y.sin().sum(), tensors, retain_graph=True, materialize_grads=True)
            for y, tensors in pairs
        )
        apart = max(float((a - b).abs().max()) for a, b in zip(found, wanted, strict=True))
        return apart / max(float(one.abs().max()) for one in wanted)


def name(by_hand: str, network: SearchNetwork) -> str:
    """What the mixture calls a weight; its only cell has no number."""
    own = own_name(by_hand, network.reductions)
    return own.replace("reduce_1.", "reduce.") if len(network.cells) == 1 else own


@pytest.mark.parametrize(("parts", "layers"), [(1, 2), (4, 4)])
def test_the_network_by_hand(parts: int, layers: int) -> None:
    """With weights over a node's edges, which softmax normalises (edge normalisation)."""
    sides = Sides(parts, layers)
    assert sides.outputs() <= EXACT
    assert sides.gradients() <= EXACT


def test_other_operations_by_hand() -> None:
    """A choice with a stride and blocks, and one whose depthwise groups follow the width."""
    space = part(
        "{wide | pool = max_pool(3, s=2)} -> {dw = conv(width, k=3, groups=width) | none}",
        "block wide(x) { return x -> conv(3 * width, s=2) -> relu -> conv(width) }",
    )
    mixture = load_mixture(partial_channels(space.program, QUARTER))
    randomise(mixture.module.double(), torch.Generator().manual_seed(0))
    w = {n: p for n, p in mixture.module.named_parameters()}
    assert w["wide.conv1.weight"].shape == (6, 2, 1, 1)
    assert w["dw.weight"].shape == (2, 1, 3, 3)
    a, b = (torch.rand(2, dtype=torch.float64) for _ in range(2))
    x = torch.randn(3, 3, 6, 6, dtype=torch.float64)
    found = mixture(x, mixture.gates(dict(zip(mixture.sizes, (a, b), strict=True))))
    y = F.conv2d(x, w["conv.weight"], w["conv.bias"], padding=1)
    first, past = y.split((2, 6), 1)
    wide = F.conv2d(first, w["wide.conv1.weight"], w["wide.conv1.bias"], stride=2).relu()
    wide = F.conv2d(wide, w["wide.conv2.weight"], w["wide.conv2.bias"])
    mixed = a[0] * wide + a[1] * F.max_pool2d(first, 3, 2, 1)
    order = [0, 2, 4, 6, 1, 3, 5, 7]  # two channels in each of four groups, dealt out in turn
    y = torch.cat((mixed, F.max_pool2d(past, 2)), 1)[:, order]
    first, past = y.split((2, 6), 1)
    mixed = b[0] * F.conv2d(first, w["dw.weight"], w["dw.bias"], padding=1, groups=2)
    y = torch.cat((mixed, past), 1)[:, order].relu().mean((2, 3))
    wanted = F.linear(y, w["linear.weight"], w["linear.bias"])
    assert (found - wanted).abs().max() <= EXACT * wanted.abs().max()


# --- the sums that spaces say --------------------------------------------------------------------

SMALL = {"layers": 2, "width": 2, "classes": 3, "size": 8}
SHIPPED = (
    "enas_macro",
    "hierarchical",
    "metaformer_nas",
    "nas_bench_101",
    "nas_bench_201",
    "nasnet",
)
SOME = {
    "one choice": part("{conv(width, k=3) | max_pool(3) | none}"),
    "nested": part("{a = conv(width) | b = bn -> {c = dwconv(3) | d = conv(width)} | id}"),
    "blocks": part("{two | id}", "block two(x) { return x -> conv(2 * width) -> conv(width) }"),
    "a cell in an alternative": part(
        "{cell1 = inner | id} -> inner", "cell inner(x) { return x -> {conv(width) | dwconv(3)} }"
    ),
}
SPACES: dict[str, Callable[[], SearchSpace]] = {
    **{name: lambda name=name: tiny(name) for name in SHIPPED},
    **{name: lambda name=name: shipped(name, **SMALL) for name in ("darts_cifar", "darts_search")},
    **{name: lambda space=space: space for name, space in SOME.items()},
}


@pytest.mark.parametrize("name", SPACES)
def test_the_mixture_is_the_sum_that_the_space_says(name: str) -> None:
    space = SPACES[name]()
    program = partial_channels(space.program, HALF)
    verdict = verify_mixture(SearchSpace(program), batch=3)
    assert verdict.ok, str(verdict)
    before, after = (shapes(one) for one in (space.program, program))
    assert before.keys() == after.keys()  # names stay
    assert (before != after) == (name != "metaformer_nas")  # its alternatives have no weights


def shapes(program: Program) -> dict[str, tuple[int, ...]]:
    """The shape of every weight, by its name in the net."""
    return {n: tuple(t.shape) for n, t in plain_network(program).state_dict().items()}


def test_the_whole_share_is_the_plain_mixture() -> None:
    for space in SOME.values():
        assert partial_channels(space.program, Fraction(1)) is space.program


# --- slips ---------------------------------------------------------------------------------------


RIGHT = rewrite._Graph._apply


def slip(name: str, change: Callable[[Operation, int], Operation]) -> object:
    """The pass with another operation in one place, given how many channels there are."""

    def wrong(self, edge: int, place: str, operation: Operation, *args: int) -> int:
        channels = self.nodes[args[0]].type.channels
        operation = change(operation, channels) if place == name else operation
        return RIGHT(self, edge, place, operation, *args)

    return wrong


def swapped(self, edge: int, place: str, operation: Operation, *args: int) -> int:
    return RIGHT(self, edge, place, operation, *(reversed(args) if place == "whole" else args))


SLIPS = {
    "no shuffle": slip("shuffle", lambda right, _: Shuffle(groups=1)),
    "another shuffle": slip("shuffle", lambda right, channels: Shuffle(groups=channels // 4)),
    "what passes in front": swapped,
    "the last channels": slip("part", lambda right, n: Channels(first=n - right.last)),
    "the first pass too": slip("rest", lambda right, n: Channels(last=n - right.first)),
    "a mean of what passes": slip("rest_pool", lambda right, _: AvgPool(k=2, s=2, p=0)),
}


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewrite._Graph, "_apply", SLIPS[name])
    assert Sides(4, layers=1, width=32 if name == "another shuffle" else 8).outputs() > 1e-6


def test_without_a_slip_these_are_equal() -> None:
    assert Sides(4, layers=1).outputs() <= EXACT


# --- what is refused -----------------------------------------------------------------------------

REFUSED = {
    "tokens": (tiny("dasvit"), "is computed from one map", ""),
    "sizes": (tiny("amc"), "is computed from one map", ""),
    "more channels": (
        part("{one = conv(2 * width) | two = conv(2 * width, k=3)}"),
        "op cannot run",
        "8 x 6 x 6 becomes 16 x 6 x 6",
    ),
    "numbers": (
        written(
            """archdsl 1
            space s() {
              net network(x: 3 x 6 x 6) {
                y = x -> conv(8) -> {a = conv(8, k=3) | b = id}
                return y -> global_pool
              }
            }"""
        ),
        "no parameter of s is a width",
        "no parameters",
    ),
    "odd": (tiny("mbconv"), "cannot run on 1/2 of its channels", ""),
    "groups": (
        part("{a = conv(width, groups=8) | b = id}"),
        "no parameter of part is a width",
        "with width=4: groups of conv",
    ),
    "a stride past the end": (
        part("conv(width, k=2, p=0) -> {a = conv(width, s=2) | b = max_pool(3, s=2)}"),
        "cannot run on 1/2",
        "no max pool makes 8 x 5 x 5 to 8 x 3 x 3",
    ),
    "lattice": (tiny("auto_deeplab"), "cannot run on 1/2", "2 x 32 x 32 becomes"),
    "first layers": (tiny("haq"), "cannot run on 1/2", "128 x 6 x 6 becomes 256 x 3 x 3"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_is_refused(name: str) -> None:
    space, why, found = REFUSED[name]
    with pytest.raises(ArchError) as caught:
        partial_channels(space.program, HALF)
    (finding,) = caught.value.diagnostics
    assert finding.code == "E0909"
    assert why in finding.message
    assert found in finding.found
    assert finding.span is not None
    assert finding.hint


def test_a_share_is_one_over_a_number() -> None:
    with pytest.raises(ArchError, match="parts of one size") as caught:
        partial_channels(SOME["blocks"].program, Fraction(2, 3))
    assert caught.value.diagnostics[0].found == "2/3"


def test_from_python() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        module = archdsl.load(
            archdsl.Space("nas_bench_201", cells=1, width=6),
            supernet=True,
            mode="mixture",
            partial_channels=1 / 3,
        )
    sizes = {n: p.shape[0] for n, p in module.named_parameters() if "nor_conv_3x3_1_0.conv" in n}
    assert sorted(set(sizes.values())) == [2, 4, 8]
    gates = {key: torch.ones(5) / 5 for key in load_mixture(tiny("nas_bench_201")).sizes}
    assert module(torch.randn(2, 3, 32, 32), gates).shape == (2, 10)
