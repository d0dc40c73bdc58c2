"""Random networks: motifs one after another, in a net and in the cells that it uses."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress

from archdsl.ir.types import TensorType
from archdsl.ops import OperationError
from archdsl.ops.dropout import Dropout
from archdsl.ops.embedding import Embedding
from tests import random_motifs as m
from tests import random_shared as w
from tests import random_siblings as s
from tests.random_networks import Body, Chance, Part, norm

MOTIFS: tuple[tuple[Callable[[Body], None], int], ...] = (
    (m.anything, 15),
    (s.siblings, 11),
    (s.convolutions, 66),
    (m.tied, 13),
    (m.layers, 14),
    (m.sums, 14),
    (m.perceptrons, 10),
    (m.pooled, 13),
    (m.linked, 42),
    (m.zeros, 12),
    (m.dead_norm, 1),
    (m.nothing, 3),
    (m.dead, 2),
    (m.twice, 16),
    (m.joined_twice, 4),
    (m.through_norm, 19),
    (m.mixture, 2),
    (m.along, 3),
    (m.memory, 1),
    (m.towards, 1),
    (s.left_out, 4),
    (w.calls, 6),
    (w.cells, 6),
    (w.not_taken, 5),
    (w.in_a_row, 3),
    (w.norms_between, 4),
    (w.across, 5),
    (m.uses, 21),
    (m.wide, 56),
)
TOTAL = tuple(weight for _, weight in MOTIFS)


HELPERS = {
    "first": "cell first(x, y) = x -> tanh",
    "maps": "cell maps(x) {\n  return x -> conv(4, k=3), x -> conv(4, k=3)\n}",
    "perceptrons": "cell perceptrons(x) {\n  y = x -> tokens_mlp(0.5)\n"
    "  return y -> tokens_mlp(0.5), y -> tokens_mlp(0.5)\n}",
    "layers": "cell layers(x) {\n  return x -> linear(4), x -> linear(4)\n}",
    **w.HELPERS,
}
"""Definitions that motifs use, by name."""


def statement(body: Body) -> None:
    """One motif; where it cannot go on, what it wrote so far."""
    (motif,) = body.chance.choices([motif for motif, _ in MOTIFS], TOTAL)
    with suppress(OperationError):
        motif(body)


def network(seed: int) -> str:
    """The text of a random network."""
    chance = Chance(f"network {seed}")  # neighbouring numbers give streams alike, texts do not
    inputs, type_ = _inputs(chance)
    parts = [_part(chance, f"part{i}", type_) for i in range(chance.choice((0, 1, 1, 1, 2)))]
    body = Body(chance, types=dict(inputs), parts=[part for part, _ in parts])
    if "words" in inputs:
        body.apply("words", Embedding(dim=4))
    for _ in range(chance.choice((4, 4, 5))):
        statement(body)
    spelled = ", ".join(f"{name}: {type_}" for name, type_ in inputs.items())
    returned = body.sinks()[-4:] or list(body.types)[-1:]
    net = _definition(f"net network({spelled})", body, returned)
    texts = [text for _, text in parts]
    written = "\n".join((*texts, net))
    helpers = [text for name, text in HELPERS.items() if re.search(rf" {name}[(@\n]", written)]
    return "\n".join(("archdsl 1", "space random {", *helpers, *texts, net, "}", ""))


def _inputs(chance: Chance) -> tuple[dict[str, TensorType], TensorType]:
    """What the network takes, and the type of the first quantity."""
    side = chance.choice((4, 4, 5, 6))
    shapes = [(chance.choice((4, 4, 6)), side, chance.choice((side, side, 4)))] * 5
    shapes += [(chance.choice((4, 5)), chance.choice((4, 6)))] * 4 + [(8,)]  # type: ignore[list-item]
    types = {"image": TensorType(chance.choice(shapes))}
    if chance.random() < 0.12:
        types["words"] = TensorType((chance.choice((4, 5)),), 7)
    return types, types["image"]


def _part(chance: Chance, name: str, type_: TensorType) -> tuple[Part, str]:
    """A definition of one or two values of a type, and its text."""
    names = ("x", "y")[: chance.choice((1, 1, 2))]
    body = Body(chance, types={given: type_ for given in names})
    if chance.random() < 0.2:
        body.apply("x", chance.choice((norm(chance, type_), Dropout(p=0.2))))
    for _ in range(chance.choice((0, 1, 1, 2))):
        statement(body)
    results = body.sinks()[-2:] if chance.random() < 0.7 else [names[-1]]
    results = results or names[:1]
    part = Part(name, (type_,) * len(names), tuple(body.types[result] for result in results))
    return part, _definition(f"cell {name}({', '.join(names)})", body, results)


def _definition(head: str, body: Body, results: list[str]) -> str:
    lines = "".join(f"  {line}\n" for line in body.lines)
    return f"{head} {{\n{lines}  return {', '.join(results)}\n}}"
