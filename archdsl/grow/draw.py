"""Edits by lot: of a kind, at a place where it preserves what the network computes."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Literal, TypeAlias, get_args

from archdsl.grow.edits import Deepen, Edit, Insert, Skip, Widen, edited
from archdsl.grow.written import read_back
from archdsl.ir.graph import Apply, Graph, Node, Program
from archdsl.ir.types import TensorType
from archdsl.ops.activation import ReLU
from archdsl.ops.base import Operation
from archdsl.ops.convolution import Conv, DepthwiseConv
from archdsl.ops.linear import Linear
from archdsl.ops.normalisation import BatchNorm
from archdsl.syntax.errors import ArchError

Kind: TypeAlias = Literal["deepen", "widen", "skip", "insert"]
KINDS: tuple[Kind, ...] = get_args(Kind)

TRIES = 20
"""Places at which an edit is tried."""


def drawn(
    program: Program, kind: Kind, rng: Random, *, seed: int = 0, tries: int = TRIES
) -> tuple[Edit, Program] | None:
    """An edit of a kind and the network after it; None where no place was found for one."""
    before = read_back(program)
    places = list(_places(before))
    for _ in range(tries if places else 0):
        graph, position = rng.choice(places)
        edit = _edit(graph, position, kind, rng)
        if edit is None:
            continue
        try:
            return edit, edited(before, edit, seed=seed)
        except ArchError:  # not here: what preserves the function is the business of `edited`
            continue
    return None


def _places(program: Program) -> Iterator[tuple[Graph, int]]:
    """The values that operations give, but for results of the network."""
    for key, graph in program.modules.items():
        outputs = graph.outputs if key == program.root else ()
        for position, node in enumerate(graph.nodes):
            if isinstance(node.kind, Apply) and node.label and position not in outputs:
                yield graph, position


def _edit(graph: Graph, position: int, kind: Kind, rng: Random) -> Edit | None:
    node = graph.nodes[position]
    at = f"{graph.definition}.{node.label}"
    match kind:
        case "deepen":
            return Deepen(at=at, operations=_operations(node.type, rng, deep=True))
        case "widen":
            return _widen(graph, node, at, rng)
        case _:
            before = [n for n in graph.nodes[: position + 1] if _joins(n, node)]
            if not before:
                return None
            other = rng.choice(before)
            source = f"{graph.definition}.{_name(other)}"
            if kind == "insert":
                operations = _operations(node.type, rng, deep=False)
                return Insert(source=source, at=at, operations=operations)
            return Skip(source=source, at=at, join=rng.choice(("sum", "concat")))


def _widen(graph: Graph, node: Node, at: str, rng: Random) -> Widen:
    """Twice the width, or somewhat more; or more hidden units, where there are any."""
    width = node.type.channels
    inputs = graph.types_in(node)
    operation = node.kind.operation if isinstance(node.kind, Apply) else None
    units = operation and operation.along(inputs) and operation.with_units(inputs, 1)
    if operation and units and rng.random() < 0.5:
        weights = operation.weights(inputs)
        return Widen(at=at, units=weights[0].shape[0] + rng.randint(1, 4))
    return Widen(at=at, channels=rng.choice((2 * width, width + rng.randint(1, width))))


def _joins(node: Node, other: Node) -> bool:
    return len(node.types) == 1 and node.types == other.types and bool(_name(node))


def _name(node: Node) -> str:
    return node.label if isinstance(node.kind, Apply) else getattr(node.kind, "name", "")


def _operations(type_: TensorType, rng: Random, *, deep: bool) -> tuple[Operation, ...]:
    """Operations that keep a shape; with `deep`, such as can pass their input on."""
    channels = type_.channels
    if len(type_.shape) == 3:
        k = rng.choice((1, 3, 5))
        conv = Conv(channels=channels, k=k, bias=rng.random() < 0.5)
        heads: tuple[Operation, ...] = (conv, DepthwiseConv(k=3))
    else:
        heads = (Linear(features=channels),)
    first = rng.choice(heads)
    tails: tuple[tuple[Operation, ...], ...] = ((), (BatchNorm(),))
    if deep:  # elsewhere a ReLU would see nothing, and never learn
        tails = (*tails, (ReLU(),), (BatchNorm(), ReLU()))
    tail = rng.choice(tails)
    return (first, *tail) if deep else (ReLU(), first, *tail)
