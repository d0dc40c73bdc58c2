"""Motifs of one weight on several values, as `batch_shared` looks for, and near misses."""

from __future__ import annotations

from archdsl.ir.types import TensorType
from archdsl.ops import Operation
from archdsl.ops import activation as act
from archdsl.ops.convolution import Conv
from archdsl.ops.dropout import Dropout
from archdsl.ops.joins import Concat, Product
from archdsl.ops.linear import Linear
from archdsl.ops.rearrange import Shuffle
from tests.random_networks import SMOOTH, Body, Part, coin, norm

HELPERS = {
    "encoder": "cell encoder(x) = x -> linear(4) -> tanh -> linear(4)",
    "map_encoder": "cell map_encoder(x) = x -> conv(4, k=3) -> relu -> conv(4)",
    "normed": "cell normed(x) = x -> linear(4) -> bn",
    "normed_map": "cell normed_map(x) = x -> conv(4) -> bn",
    "noisy": "cell noisy(x) = x -> linear(4) -> dropout(0.2)",
    "noisy_map": "cell noisy_map(x) = x -> conv(4) -> dropout(0.2)",
    "lone": "cell lone(x) = x -> linear(4)",
    "lone_map": "cell lone_map(x) = x -> conv(4)",
    "twins": "cell twins(x, y) {\n"
    "  return x -> linear(4) -> linear(4)@w, y -> linear(4) -> linear(4)@w\n}",
    "twin_maps": "cell twin_maps(x, y) {\n"
    "  return x -> conv(4) -> conv(4)@w, y -> conv(4) -> conv(4)@w\n}",
}
"""Definitions that these motifs use, by name."""


def _four(type_: TensorType) -> TensorType:
    """A value as that one, with four channels."""
    maps = len(type_.shape) == 3
    return TensorType((4, *type_.shape[1:]) if maps else (*type_.shape[:-1], 4))


def _value(body: Body) -> TensorType | None:
    """The type of some quantity that a layer takes."""
    type_ = body.types[body.pick()]
    fits = type_.below is None and (len(type_.shape) != 3 or type_.elements <= 150)
    return type_ if fits else None


def _layer(type_: TensorType, body: Body) -> Operation:
    if len(type_.shape) == 3:
        return Conv(channels=4, k=body.chance.choice((1, 3)), bias=coin(body.chance))
    return Linear(features=4, bias=coin(body.chance))


def calls(body: Body) -> None:
    """A layer on several values, and what stands behind each: mostly alike, and another layer."""
    chance, type_ = body.chance, _value(body)
    if type_ is None:
        return
    count = chance.choice((2, 2, 3))
    ends, layer = body.alike(type_, count), _layer(type_, body)
    for _ in range(chance.choice((1, 1, 2))):
        tie = body.fresh_tie()
        ends = [body.apply(end, layer, tie=tie) for end in ends]
        if chance.random() < 0.7:
            ends = _behind(body, ends)
        layer = _layer(body.types[ends[0]], body)
    body.join(chance.choice((Product(), Concat())), ends)


def _behind(body: Body, ends: list[str]) -> list[str]:
    """An operation behind each value: mostly the same, now and then one that mixes the batch."""
    chance = body.chance
    common: Operation = chance.choice(SMOOTH)
    if chance.random() < 0.2:
        others = (Dropout(p=0.2), Shuffle(groups=2), norm(chance, body.types[ends[0]]))
        common = chance.choice(others)
    behind = [common] * len(ends)
    if chance.random() < 0.25:
        behind[-1] = act.ELU(alpha=0.3)
    found = [body.apply(end, each) for end, each in zip(ends, behind, strict=True)]
    if chance.random() < 0.1:
        body.apply(ends[0], act.Tanh())  # reads what lies between
    return found


def cells(body: Body) -> None:
    """A definition on several values, with one set of weights or one each."""
    chance, type_ = body.chance, _value(body)
    if type_ is None:
        return
    maps = len(type_.shape) == 3
    name = chance.choice(("encoder", "encoder", "normed", "noisy"))
    if maps:
        name = {"encoder": "map_encoder"}.get(name, f"{name}_map")
    result = _four(type_)
    part, tie = Part(name, (type_,), (result,)), body.fresh_tie()
    if chance.random() < 0.15:
        tie = ""
    values = body.alike(type_, chance.choice((2, 2, 3)))
    if chance.random() < 0.2:
        values[-1] = values[0]
    ends = [end for value in values for end in body.use(part, [value], tie)]
    body.join(chance.choice((Product(), Concat())), ends)


def not_taken(body: Body) -> None:
    """A layer on two values, of which one leads to nothing that is read."""
    chance, type_ = body.chance, _value(body)
    if type_ is None:
        return
    maps = len(type_.shape) == 3
    result = _four(type_)
    values = body.alike(type_, 2)
    if coin(chance):
        name = "twin_maps" if maps else "twins"
        found = body.use(Part(name, (type_, type_), (result, result)), values)
        if chance.random() < 0.7:
            del body.types[found[1]]
        return
    layer = Conv(channels=4) if maps else Linear(features=4)
    tie = body.fresh_tie()
    ends = [body.apply(body.apply(value, layer), layer, tie=tie) for value in values]
    body.use(Part("first", (result, result), (result,)), ends)


def in_a_row(body: Body) -> None:
    """A layer behind itself, and another beside the first."""
    chance, type_ = body.chance, _value(body)
    if type_ is None:
        return
    layer: Operation = Linear(features=type_.channels, bias=coin(chance))
    if len(type_.shape) == 3:
        layer = Conv(channels=type_.channels, k=chance.choice((1, 3)), bias=coin(chance))
    (value,), tie = body.alike(type_, 1), body.fresh_tie()
    first = body.apply(value, layer, tie=tie)
    last = body.apply(body.apply(first, chance.choice(SMOOTH)), layer, tie=tie)
    body.join(Product(), [last, body.apply(value, layer)])


def norms_between(body: Body) -> None:
    """A layer on two values, and a norm behind the first that something before the second has."""
    chance, type_ = body.chance, _value(body)
    if type_ is None:
        return
    maps = len(type_.shape) == 3
    layer = Conv(channels=type_.channels) if maps else Linear(features=type_.channels)
    tie, shared = body.fresh_tie(), body.fresh_tie()
    values, common = body.alike(type_, 3), norm(chance, type_)
    first = body.apply(body.apply(values[0], layer, tie=tie), common, tie=shared)
    second = body.apply(values[1], common, tie=shared)
    last = body.apply(values[2], layer, tie=tie)
    body.join(chance.choice((Product(), Concat())), [first, second, last])


def across(body: Body) -> None:
    """Siblings of which some stand in definitions of their own, of one result or of two."""
    chance, type_ = body.chance, _value(body)
    if type_ is None:
        return
    maps = len(type_.shape) == 3
    result = _four(type_)
    values = body.alike(type_, 2)
    layer = Conv(channels=4) if maps else Linear(features=4)
    if coin(chance):
        name = "twin_maps" if maps else "twins"
        found = body.use(Part(name, (type_, type_), (result, result)), values)
        ends = [body.apply(value, layer) for value in values[: chance.choice((1, 2))]]
    else:
        part = Part("lone_map" if maps else "lone", (type_,), (result,))
        source = values[0] if chance.random() < 0.8 else values[1]
        found = body.use(part, [source])
        ends = body.use(part, values[:1]) if coin(chance) else [body.apply(values[0], layer)]
    body.join(Concat(), [body.apply(found[0], act.Tanh()), *found[1:], *ends])
