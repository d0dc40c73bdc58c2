"""Motifs of operations that leave one value, alike or nearly so, as `fuse_siblings` looks for."""

from __future__ import annotations

from dataclasses import replace

from archdsl.ir.types import TensorType
from archdsl.ops import Operation
from archdsl.ops import activation as act
from archdsl.ops.convolution import Conv, DepthwiseConv
from archdsl.ops.dropout import Dropout
from archdsl.ops.linear import Linear
from archdsl.ops.mlp import MLP, TokensLinear, TokensMLP
from archdsl.ops.normalisation import BatchNorm
from archdsl.ops.rearrange import Shuffle
from archdsl.ops.token_convolution import TokenConv
from tests.random_networks import SMOOTH, Body, Part, coin, norm

WIDE = (Linear, TokensLinear, TokensLinear, TokensMLP, MLP, TokenConv, DepthwiseConv)


def left_out(body: Body) -> None:
    """A definition that takes one of two siblings, or gives two of which one is taken."""
    value, chance = body.pick(), body.chance
    type_ = body.types[value]
    if type_.below is not None:
        return
    layer = width_layer(type_)
    if coin(chance):
        if len(type_.shape) == 3 and chance.random() < 0.4:
            layer = TokensMLP(ratio=0.5)
            value = body.apply(value, layer)
        ends = [body.apply(value, layer) for _ in range(2)]
        type_ = body.types[ends[0]]
        body.use(Part("first", (type_, type_), (type_,)), ends)
        if chance.random() < 0.3:
            body.apply(ends[1], act.Tanh())
    else:
        results = layer.results((type_,)) * 2
        name = "maps" if len(type_.shape) == 3 else "layers"
        if name == "maps" and coin(chance):
            name, results = "perceptrons", (type_, type_)
        found = body.use(Part(name, (type_,), results), [value])
        if coin(chance):
            del body.types[found[1]]


def width_layer(type_: TensorType) -> Operation:
    return Conv(channels=4, k=3) if len(type_.shape) == 3 else Linear(features=4)


def tails(body: Body, chain: list[Operation]) -> list[Operation]:
    """A norm and an activation behind an operation, often alike for all siblings."""
    chance = body.chance
    if coin(chance):
        chain.append(norm(chance, next(iter(body.types.values()))))
    if chance.random() < 0.68:
        noisy = (Dropout(p=0.2), Shuffle(groups=2))
        chain.append(chance.choice(noisy) if chance.random() < 0.3 else chance.choice(SMOOTH))
    return chain


def siblings(body: Body) -> None:
    """The same chain several times on one value, each with weights of its own."""
    value = body.pick()
    first = body.kept(body.types[value], WIDE)
    if first is None:
        return
    spread(body, value, tails(body, [first]) if isinstance(first, Linear | TokenConv) else [first])


def convolutions(body: Body) -> None:
    """Siblings that are convolutions, with what mostly stands behind them."""
    maps = [name for name, type_ in body.types.items() if len(type_.shape) == 3]
    if not maps:
        return
    chance = body.chance
    first: Operation = Conv(channels=4, k=chance.choice((1, 3)), bias=coin(chance))
    if chance.random() < 0.2:
        first = DepthwiseConv(bias=coin(chance))
    elif chance.random() < 0.3:
        first = replace(first, **chance.choice(({"s": 2}, {"d": 2}, {"groups": 2}, {"kw": 1})))
    spread(body, chance.choice(maps), tails(body, [first]))


def spread(body: Body, value: str, chain: list[Operation]) -> None:
    """A chain several times, with a difference now and then."""
    chance = body.chance
    ends = []
    for number in range(chance.choice((2, 2, 3))):
        links = list(chain)
        if number and chance.random() < 0.25:
            links = nearly(body, links)
        if isinstance(links[0], Conv | Linear) and chance.random() < 0.3:
            links[0] = wider(links[0], body)
        made = value
        for link in links:
            made = body.apply(made, link)
            if chance.random() < 0.04:
                body.apply(made, act.Tanh())  # reads what lies between
        ends.append(made)
    if coin(chance):
        ends = [body.apply(end, SMOOTH[i]) for i, end in enumerate(ends)]
    body.gather(ends)


def wider(operation: Conv | Linear, body: Body) -> Operation:
    if isinstance(operation, Linear):
        return replace(operation, features=body.chance.choice((3, 4, 5)))
    if operation.groups > 1:
        return operation
    return replace(operation, channels=body.chance.choice((3, 4, 5)))


def nearly(body: Body, links: list[Operation]) -> list[Operation]:
    """The chain with one difference."""
    chance, first = body.chance, links[0]
    if len(links) > 1 and coin(chance):
        place = chance.randrange(1, len(links))
        other = act.ELU(alpha=0.3)
        if isinstance(links[place], BatchNorm):
            other = replace(links[place], **chance.choice(({"eps": 0.1}, {"momentum": 0.5})))
        return [*links[:place], other, *links[place + 1 :]]
    if isinstance(first, Conv) and first.k == 3:
        changes = ({"d": 3 - first.d}, {"k": 5}, {"s": 3 - first.s})
        return [replace(first, **chance.choice(changes)), *links[1:]]
    if isinstance(first, Conv):
        return [replace(first, bias=not first.bias), *links[1:]]
    return links
