"""Rewrites that are wrong on purpose: the check that accepts the passes refuses every one.

Each takes what the passes made of a small network and spoils it in one place, as a slip in a
pass would. Most keep all shapes, so that only running the network can tell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from archdsl.ir.elaborate import elaborate
from archdsl.ir.graph import Apply, Item, Node, Program
from archdsl.ops.base import Operation
from archdsl.ops.constants import Identity, Zero
from archdsl.ops.convolution import Conv
from archdsl.ops.fused import Average, RepeatedLinear, Zeros
from archdsl.ops.in_place import InPlace
from archdsl.ops.joins import Mean, Sum
from archdsl.ops.normalisation import BatchNorm, Scale
from archdsl.ops.pooling import AvgPool, MaxPool, Pool
from archdsl.passes.driver import Optimised, optimise
from archdsl.passes.weights import Concat, Keep, Source, Stack
from archdsl.syntax.parse import parse
from archdsl.verify.compare import verify_optimised

Spoil = Callable[[Optimised], Optimised]


@dataclass(frozen=True, slots=True)
class Slip:
    name: str
    body: str
    spoil: Spoil


def program_of(body: str) -> Program:
    return elaborate(parse(f"archdsl 1\nspace example {{ {body} }}", "test").spaces[0])


# ---- how to spoil --------------------------------------------------------------------------------


def nodes(change: Callable[[tuple[Node, ...]], tuple[Node, ...]]) -> Spoil:
    def spoil(optimised: Optimised) -> Optimised:
        program = optimised.program
        net = replace(program.net, nodes=change(program.net.nodes))
        program = replace(program, modules={**program.modules, program.root: net})
        return replace(optimised, program=program)

    return spoil


def operation(kind: type[Operation], change: Callable[[Operation], Operation]) -> Spoil:
    """Another operation at every node of that kind."""

    def changed(node: Node) -> Node:
        if isinstance(node.kind, Apply) and isinstance(node.kind.operation, kind):
            return replace(node, kind=Apply(change(node.kind.operation)))
        return node

    return nodes(lambda found: tuple(changed(node) for node in found))


def without(kind: type[Operation]) -> Spoil:
    return operation(kind, lambda _: Identity())


def source(weight: str, change: Callable[[Source], Source]) -> Spoil:
    """Another source for the weights whose names end so."""

    def spoil(optimised: Optimised) -> Optimised:
        entries = {
            name: change(found) if name.endswith(weight) else found
            for name, found in optimised.weights.entries.items()
        }
        assert entries != optimised.weights.entries
        return replace(optimised, weights=replace(optimised.weights, entries=entries))

    return spoil


def swapped(found: Source) -> Source:
    assert isinstance(found, Concat | Stack)
    return replace(found, parts=found.parts[::-1])


def first_twice(found: Source) -> Source:
    assert isinstance(found, Concat | Stack)
    return replace(found, parts=(found.parts[0],) * len(found.parts))


def other_axis(found: Source) -> Source:
    assert isinstance(found, Concat)
    return replace(found, axis=1 - found.axis)


def swap_items(found: tuple[Node, ...]) -> tuple[Node, ...]:
    return tuple(
        replace(node, kind=Item(1 - node.kind.index)) if isinstance(node.kind, Item) else node
        for node in found
    )


def tie(first: str, second: str) -> Spoil:
    """Let one operation use the weights of another."""

    def spoil(optimised: Optimised) -> Optimised:
        result = nodes(
            lambda found: tuple(
                replace(node, path=(first,)) if node.path == (second,) else node for node in found
            )
        )(optimised)
        entries = {
            name: found
            for name, found in result.weights.entries.items()
            if not name.startswith(second + ".")
        }
        return replace(result, weights=replace(result.weights, entries=entries))

    return spoil


def untie(path: str) -> Spoil:
    """Give the second use of a weight a copy of its own."""

    def spoil(optimised: Optimised) -> Optimised:
        program = optimised.program
        seen = False
        found = []
        for node in program.net.nodes:
            if node.path == (path,):
                node = replace(node, path=(path + "_copy",)) if seen else node
                seen = True
            found.append(node)
        copies = {
            name.replace(path + ".", path + "_copy."): Keep(name)
            for name in optimised.weights.entries
            if name.startswith(path + ".")
        }
        entries = {**optimised.weights.entries, **copies}
        result = nodes(lambda _: tuple(found))(optimised)
        return replace(result, weights=replace(result.weights, entries=entries))

    return spoil


def rewired(position: int, *args: int) -> Spoil:
    """Other arguments for one node."""
    return nodes(
        lambda found: tuple(
            replace(node, args=args) if i == position else node for i, node in enumerate(found)
        )
    )


# ---- the slips -----------------------------------------------------------------------------------

CONVS = """net network(image: 4 x 6 x 6) {
  return (image -> conv(4, k=3) -> tanh) * (image -> conv(4, k=3))
}"""
NORMS = """net network(image: 4 x 6 x 6) {
  return (image -> conv(4, bias=no) -> bn -> relu) * (image -> conv(4, bias=no) -> bn -> relu)
}"""
MLPS = """net network(image: 4 x 4 x 4) {
  return (image -> tokens_mlp(0.5) -> tanh) * (image -> tokens_mlp(0.5))
}"""
SUM_OF_MLPS = """net network(image: 4 x 4 x 4) {
  return (image -> tokens_mlp(0.5)) + (image -> tokens_mlp(0.5))
}"""
PLAIN = "net network(image: 4 x 6 x 6) = image -> conv(4, k=3) -> bn -> relu -> conv(4)"
MEAN = """net network(image: 4 x 6 x 6) {
  return mean(image -> conv(4), image -> none, image -> conv(4) -> relu)
}"""
NONE = "net network(image: 4 x 6 x 6) = (image -> none -> bn) + (image -> conv(4))"
TIED = """net network(image: 4 x 6 x 6) {
  a = image -> conv(4)@w -> relu
  return (a -> conv(4)@w) + (image -> tanh -> conv(4))
}"""
LINEARS = """net network(image: 4 x 6 x 6) {
  a = image -> global_pool
  return (a -> linear(3)@w) + (a -> tanh -> linear(3)@w)
}"""

SLIPS = (
    Slip("a dropped norm", PLAIN, without(BatchNorm)),
    Slip("a dropped relu", PLAIN, without(InPlace)),
    Slip(
        "a dropped layer scale",
        "net network(image: 4 x 6 x 6) = image + (image -> conv(4) -> scale(1e-5))",
        without(Scale),
    ),
    Slip(
        "a bias counted once that counts twice",
        LINEARS,
        operation(RepeatedLinear, lambda o: o.linear if isinstance(o, RepeatedLinear) else o),
    ),
    Slip(
        "a bias counted three times",
        LINEARS,
        operation(RepeatedLinear, lambda o: replace(o, count=3)),  # type: ignore[call-arg]
    ),
    Slip("weights shared that are not", TIED, tie("w", "conv")),
    Slip("weights not shared that are", TIED, untie("w")),
    Slip(
        "the divisor of a mean that lost a zero",
        MEAN,
        operation(Average, lambda o: Mean()),
    ),
    Slip("a mean made a sum", MEAN, operation(Average, lambda o: Sum())),
    Slip("the parts of a split swapped", CONVS, nodes(swap_items)),
    Slip(
        "another stride with another padding",
        "net network(image: 4 x 4 x 4) = image -> conv(4, k=3, s=2, p=1)",
        operation(Conv, lambda _: Conv(channels=4, k=3, s=1, p=0)),
    ),
    Slip(
        "another dilation",
        "net network(image: 4 x 6 x 6) = image -> conv(4, k=3)",
        operation(Conv, lambda _: Conv(channels=4, k=3, d=2)),
    ),
    Slip(
        "another padding",
        "net network(image: 4 x 6 x 6) = image -> conv(4, k=3, s=3, p=0)",
        operation(Conv, lambda _: Conv(channels=4, k=3, s=3, p=1)),
    ),
    Slip(
        "padding counted in a mean",
        "net network(image: 4 x 6 x 6) = image -> conv(4) -> avg_pool(3)",
        operation(AvgPool, lambda _: AvgPool(k=3, count_pad=True)),
    ),
    Slip(
        "pooling without less the input",
        "net network(image: 4 x 6 x 6) = image -> conv(4) -> pool",
        operation(Pool, lambda _: AvgPool(k=3)),
    ),
    Slip(
        "the maximum taken for linear",
        """net network(image: 4 x 6 x 6) {
          a = image -> conv(4)
          b = image -> relu
          return mean(a, b) -> max_pool(3)
        }""",
        operation(MaxPool, lambda _: AvgPool(k=3)),
    ),
    Slip(
        "two norms with statistics of their own made one",
        """net network(image: 4 x 6 x 6) {
          a = image -> conv(4)
          return (a -> bn -> relu) + (a -> pool -> bn -> tanh)
        }""",
        tie("norm1", "norm2"),
    ),
    Slip(
        "a norm that is applied twice, applied once",
        """net network(image: 4 x 6 x 6) {
          a = image -> conv(4)
          return (a -> bn@w -> relu) + (a -> bn@w -> tanh)
        }""",
        rewired(5, 2),
    ),
    Slip(
        "statistics updated at another pace",
        NORMS,
        operation(BatchNorm, lambda _: BatchNorm(momentum=0.2)),
    ),
    Slip("another epsilon", NORMS, operation(BatchNorm, lambda _: BatchNorm(eps=1e-3))),
    Slip("zero taken for what follows it", NONE, operation(BatchNorm, lambda _: Zero())),
    Slip("zero taken for the input", NONE, operation(Zeros, lambda _: Identity())),
    Slip("order of activation and pooling", PLAIN, rewired(4, 2)),
    Slip("weights joined along the wrong axis", CONVS, source("convs_image.weight", other_axis)),
    Slip(
        "second layers joined along the wrong axis",
        "net network(image: 4 x 2 x 2) = (image -> tokens_mlp(1)) + (image -> tokens_mlp(1))",
        source("mlps_image.weight", other_axis),
    ),
    Slip("weights joined in another order", CONVS, source("convs_image.weight", swapped)),
    Slip("biases joined in another order", CONVS, source("convs_image.bias", swapped)),
    Slip("statistics joined in another order", NORMS, source("running_mean", swapped)),
    Slip("second layers stacked in another order", MLPS, source("mlps_image.weight", swapped)),
    Slip("a bias twice in place of two", SUM_OF_MLPS, source("mlps_image.bias", first_twice)),
)


def test_names_are_unique() -> None:
    assert len({slip.name for slip in SLIPS}) == len(SLIPS) >= 10


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip.name.replace(" ", "_"))
def test_caught(slip: Slip) -> None:
    program = program_of(slip.body)
    right = optimise(program)
    assert verify_optimised(program, right).ok
    wrong = slip.spoil(right)
    assert wrong != right
    verdict = verify_optimised(program, wrong)
    assert not verdict.ok, str(verdict)
