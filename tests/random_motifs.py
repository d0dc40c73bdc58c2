"""What passes look for, as statements with random details, and what looks much like it.

Each motif adds a few statements to a body. Near misses come from the details: another argument
for one of the siblings, a reader of what lies between, a value that nothing takes.
"""

from __future__ import annotations

from dataclasses import replace

from archdsl.ops import Operation
from archdsl.ops import activation as act
from archdsl.ops.attention import Attention
from archdsl.ops.bias import Bias
from archdsl.ops.constants import Identity, Zero
from archdsl.ops.convolution import Conv, DepthwiseConv
from archdsl.ops.dropout import Dropout, DropPath
from archdsl.ops.gate import Gate
from archdsl.ops.joins import Concat, Lerp, Mean, Product, Sum
from archdsl.ops.linear import Linear
from archdsl.ops.mlp import MLP, TokensLinear, TokensMLP
from archdsl.ops.normalisation import BatchNorm, GroupNorm, LayerNorm, Scale
from archdsl.ops.pooling import AvgPool, GlobalPool, MaxPool, Pool
from archdsl.ops.rearrange import Channels, Shuffle
from archdsl.ops.token_attention import CrossAttention
from archdsl.ops.token_convolution import LightConv, TokenConv, TokenDepthwiseConv
from archdsl.ops.tokens import GLU, Positions
from tests.random_networks import SMOOTH, Body, coin, norm

FREE = (Pool, AvgPool, MaxPool, act.ReLU, act.Sigmoid, GLU, Shuffle, Channels, GlobalPool)
LINEAR = (Pool, AvgPool, MaxPool, Channels, Shuffle, GlobalPool, act.ReLU)
WEIGHTED = (Conv, Linear, TokensLinear, TokensMLP, MLP, Scale, Gate, Bias, BatchNorm, TokenConv)
AFFINE = (Conv, Conv, Linear, Linear, TokensLinear, DepthwiseConv, TokenConv, Scale, Bias)
NOT_ZERO = (Conv, BatchNorm, act.Sigmoid, Attention, GroupNorm, GroupNorm, LayerNorm, Bias)
ZERO = (Pool, AvgPool, act.ReLU, GlobalPool, TokenDepthwiseConv, LightConv, Scale, GLU)


def anything(body: Body) -> None:
    """One operation after another, every class alike."""
    value = body.pick()
    for _ in range(body.chance.choice((1, 2, 3))):
        value = body.apply(value, body.any_operation(body.types[value]))


def tied(body: Body) -> None:
    """One weight on several values, which are then added, averaged or multiplied."""
    value, chance = body.pick(), body.chance
    type_ = body.types[value]
    if type_.below is not None:
        return
    operation = body.kept(type_, AFFINE if chance.random() < 0.75 else WEIGHTED)
    if operation is None:
        return
    tie = body.fresh_tie()
    values = body.alike(type_, chance.choice((2, 2, 3)))
    if chance.random() < 0.15:
        values[-1] = values[0]
    ends = [body.apply(each, operation, tie=tie) for each in values]
    if chance.random() < 0.35:
        ends = [body.apply(end, act.Tanh()) if coin(chance) else end for end in ends]
    if chance.random() < 0.3:
        ends += body.alike(body.types[ends[0]], 1)
    body.join(chance.choice((Sum(), Sum(), Mean(), Mean(), Product())), ends)


def layers(body: Body) -> None:
    """One fully connected layer or convolution on several values of a sum."""
    chance = body.chance
    named = [name for name, type_ in body.types.items() if type_.below is None]
    flat = [name for name in named if len(body.types[name].shape) < 3]
    value = chance.choice(flat if flat and chance.random() < 0.7 else named)
    type_ = body.types[value]
    if len(type_.shape) == 3 and chance.random() < 0.4:
        value = body.apply(value, GlobalPool())
        type_ = body.types[value]
    layer: Operation = Linear(features=chance.choice((3, 4)), bias=chance.random() < 0.8)
    if len(type_.shape) == 3:
        layer = Conv(channels=4, k=chance.choice((1, 3)), bias=chance.random() < 0.8)
    tie = body.fresh_tie()
    ends = [
        body.apply(each, layer, tie=tie) for each in body.alike(type_, chance.choice((2, 2, 3)))
    ]
    if coin(chance):
        ends += body.alike(body.types[ends[0]], 1)
    body.join(chance.choice((Sum(), Mean())), ends)


def sums(body: Body) -> None:
    """An operation without weights on several values of a sum or a mean."""
    value, chance = body.pick(), body.chance
    type_ = body.types[value]
    if type_.below is not None:
        return
    operation = body.kept(type_, LINEAR)
    if operation is None:
        return
    values = body.alike(type_, chance.choice((2, 3)))
    if len(type_.shape) == 3 and chance.random() < 0.3:
        operation = AvgPool(k=3)
    elif len(type_.shape) == 3 and chance.random() < 0.4:
        operation = MaxPool(k=3)
    ends = [body.apply(each, operation) for each in values[:-1]]
    if isinstance(operation, AvgPool) and coin(chance):
        operation = replace(operation, count_pad=not operation.count_pad)
    ends.append(body.apply(values[-1], operation))
    if chance.random() < 0.3:
        ends += body.alike(body.types[ends[0]], 1)
    body.join(chance.choice((Sum(), Mean())), ends)


def perceptrons(body: Body) -> None:
    """Perceptrons over the positions of one value, in one sum or apart."""
    value, chance = body.pick(), body.chance
    operation = body.kept(body.types[value], (TokensMLP,))
    if operation is None:
        return
    values = [value] * chance.choice((2, 2, 3))
    if chance.random() < 0.2:
        values = body.alike(body.types[value], len(values))
    tie = body.fresh_tie() if chance.random() < 0.2 else ""
    ends = [body.apply(each, operation, tie="" if i else tie) for i, each in enumerate(values)]
    if tie:
        ends.append(body.apply(body.apply(value, act.Tanh()), operation, tie=tie))
    elif coin(chance):
        ends.append(value)
    body.join(chance.choice((Sum(), Sum(), Mean(), Product())), ends)


def pooled(body: Body) -> None:
    """A pool, and maps over positions that read it; now and then something else does too."""
    value, chance = body.pick(), body.chance
    if len(body.types[value].shape) != 3:
        return
    pool = body.apply(value, Pool() if chance.random() < 0.8 else AvgPool(k=3))
    if chance.random() < 0.1:
        pool = body.apply(pool, Pool())
    kinds = (
        (TokensLinear, TokensMLP) if coin(chance) else (chance.choice((TokensMLP, TokensLinear)),)
    )
    ends, tie = [], body.fresh_tie() if chance.random() < 0.3 else ""
    for _ in range(chance.choice((1, 2, 2, 3))):
        operation = body.kept(body.types[pool], kinds)
        if operation is not None:
            ends.append(body.apply(pool, operation, tie=tie))
            if tie:
                behind = value if coin(chance) else body.apply(ends[-1], act.Tanh())
                ends.append(body.apply(behind, operation, tie=tie))
                tie = ""
    if chance.random() < 0.2:
        ends.append(body.apply(pool, act.Tanh()))
    if ends:
        body.join(chance.choice((Sum(), Mean(), Product())), ends)


def linked(body: Body) -> None:
    """Perceptrons that read each other's maps, pooled or not; at times something else does too."""
    value, chance = body.pick(), body.chance
    operation = body.kept(body.types[value], (TokensMLP,))
    if operation is None:
        return
    last = body.apply(value, operation)
    leaves: list[str] = []
    tie = body.fresh_tie() if chance.random() < 0.15 else ""
    for _ in range(chance.choice((1, 1, 2))):
        sources = [last] if chance.random() < 0.3 else [body.apply(last, Pool()), last]
        if chance.random() < 0.3:
            sources = sources[:1]
        ends = [
            body.apply(source, operation, tie=tie)
            for source in chance.choices(sources, k=chance.choice((1, 2, 2, 3)))
        ]
        if chance.random() < 0.1:
            leaves.append(body.apply(last, act.Tanh()))
        last, *rest = ends
        leaves += rest
    if leaves and chance.random() < 0.8:
        body.join(chance.choice((Sum(), Sum(), Mean(), Product())), [last, *leaves])


def zeros(body: Body) -> None:
    """Nothing, what it goes through, and a join that it goes into."""
    value, chance = body.pick(), body.chance
    type_ = body.types[value]
    if type_.below is not None:
        return
    made = body.apply(value, Zero())
    if chance.random() < 0.2:
        body.join(Mean(), [made, *body.alike(type_, chance.choice((1, 2, 2)))])
        return
    for _ in range(chance.choice((0, 1, 1, 2))):
        kinds = NOT_ZERO if coin(chance) else ZERO
        operation = body.kept(body.types[made], kinds)
        if operation is not None:
            made = body.apply(made, operation)
    if chance.random() < 0.15:
        body.join(Concat(), [made, made])
        return
    values = [made, *body.alike(body.types[made], chance.choice((1, 1, 2)))]
    chance.shuffle(values)
    operations: list[Operation] = [Sum(), Sum(), Mean(), Mean(), Product(), Concat()]
    if len(values) == 3:
        operations += [Lerp(), Lerp()]
    body.join(chance.choice(operations), values)


def dead_norm(body: Body) -> None:
    """A norm with one use that matters and one that does not."""
    value, tie = body.pick(), body.fresh_tie()
    kept = body.apply(value, BatchNorm(), tie=tie)
    other = body.apply(body.alike(body.types[value], 2)[1], BatchNorm(), tie=tie)
    body.join(Sum(), [kept, body.apply(other, Zero())])


def nothing(body: Body) -> None:
    """What passes its input on: identities, joins of one value."""
    value, chance = body.pick(), body.chance
    if body.types[value].below is not None:
        return
    if coin(chance):
        made = body.apply(value, Identity())
    else:
        made = body.join(chance.choice((Sum(), Mean(), Concat(), Product())), [value])
    body.apply(made, chance.choice(SMOOTH))


def dead(body: Body) -> None:
    """Values that nothing takes."""
    value = body.pick()
    operation = body.any_operation(body.types[value])
    before = dict(body.types)
    made = body.apply(value, operation)
    if body.types[made].below is None:
        body.apply(made, body.any_operation(body.types[made]))
    body.types = before


def twice(body: Body) -> None:
    """One computation of one value, written twice."""
    value, chance = body.pick(), body.chance
    if body.types[value].below is not None:
        return
    tie = ""
    match chance.randrange(4):
        case 0:
            operation: Operation | None = BatchNorm(affine=chance.random() < 0.2)
            tie = body.fresh_tie() if chance.random() < 0.2 else ""
        case 1:
            operation = chance.choice((Dropout(p=0.2), DropPath(p=0.2)))
        case 2:
            operation, tie = body.kept(body.types[value], WEIGHTED), body.fresh_tie()
        case _:
            operation = body.kept(body.types[value], FREE)
    if operation is None:
        return
    ends = [body.apply(value, operation, tie=tie) for _ in range(2)]
    if isinstance(operation, AvgPool | MaxPool | Channels) and coin(chance):
        again = body.kept(body.types[value], (type(operation),))
        assert again is not None
        ends.append(body.apply(value, again))
    ends = [body.apply(end, SMOOTH[i]) if i != 1 else end for i, end in enumerate(ends)]
    body.gather(ends)


def joined_twice(body: Body) -> None:
    """A join of the same values in another order."""
    value, chance = body.pick(), body.chance
    if body.types[value].below is not None:
        return
    values = body.alike(body.types[value], 2)
    join = chance.choice((Sum(), Mean(), Product(), Concat()))
    ends = [body.join(join, values), body.join(join, values[::-1])]
    body.join(Product(), [ends[0], body.apply(ends[1], act.Tanh())])


def through_norm(body: Body) -> None:
    """A convolution of what a convolution and a norm gave."""
    maps = [name for name, type_ in body.types.items() if len(type_.shape) == 3]
    if not maps:
        return
    chance = body.chance
    first = Conv(channels=12, k=chance.choice((1, 1, 1, 3)), bias=chance.random() < 0.1)
    made = body.apply(chance.choice(maps), replace(first, s=chance.choice((1, 1, 2))))
    made = body.apply(made, replace(norm(chance, body.types[made]), affine=chance.random() < 0.9))
    if chance.random() < 0.1:
        body.apply(made, act.Tanh())
    if chance.random() < 0.1:
        made = body.apply(made, act.ReLU())
    body.apply(made, Conv(channels=5, k=chance.choice((1, 1, 2)), p=0, bias=coin(chance)))


def mixture(body: Body) -> None:
    """Linear operations of one value in a sum, each with a factor or without."""
    value, chance = body.pick(), body.chance
    type_ = body.types[value]
    if len(type_.shape) != 3:
        return
    ends = [value] if coin(chance) else []
    for _ in range(chance.choice((2, 3))):
        operation = chance.choice(
            (
                DepthwiseConv(
                    k=chance.choice((1, 3, 5)), d=chance.choice((1, 2)), bias=coin(chance)
                ),
                AvgPool(k=3, count_pad=coin(chance)),
                Conv(channels=type_.channels, k=chance.choice((1, 3)), bias=coin(chance)),
            )
        )
        made = body.apply(value, operation)
        ends.append(body.apply(made, Gate()) if coin(chance) else made)
    body.join(chance.choice((Sum(), Mean())), ends)


def along(body: Body) -> None:
    """Linear maps along one axis in chains and sums, now and then read on the way."""
    value, chance = body.pick(), body.chance
    type_ = body.types[value]
    if type_.below is not None:
        return
    bias, channels = chance.random() < 0.7, type_.channels
    if len(type_.shape) < 3:
        maps: tuple[Operation, ...] = (Linear(features=channels, bias=bias), Scale(initial=0.5))
    elif coin(chance):
        maps = (Conv(channels=channels, bias=bias), Scale(initial=0.5), Bias(), BatchNorm())
    else:
        maps = (TokensLinear(bias=bias), Pool(), AvgPool(k=3, count_pad=coin(chance)))
    made = [value]
    for _ in range(chance.choice((2, 3, 4))):
        source = made[-1] if chance.random() < 0.7 else chance.choice(made)
        operation = maps[0] if coin(chance) else chance.choice((*maps, Gate()))
        made.append(body.apply(source, operation))
        if chance.random() < 0.4:
            made.append(body.join(Sum(), chance.sample(made, 2)))
    if chance.random() < 0.2:
        body.apply(chance.choice(made), act.Tanh())
    leaves = [name for name in made if name not in body.read]
    if len(leaves) > 1:
        body.join(chance.choice((Sum(), Mean())), leaves)


def memory(body: Body) -> None:
    """Attention of one value to another."""
    tokens = [name for name, type_ in body.types.items() if len(type_.shape) == 2]
    if not tokens:
        value = body.pick()
        operation = body.kept(body.types[value], (Positions,))
        if operation is None:
            return
        tokens = [body.apply(value, operation)]
    value, other = body.chance.choice(tokens), body.chance.choice(tokens)
    body.apply(value, CrossAttention(heads=2, head=2, bias=coin(body.chance)), other)


def towards(body: Body) -> None:
    """The way from one value to another."""
    value = body.pick()
    if body.types[value].below is None:
        body.join(Lerp(), body.alike(body.types[value], 3))


def uses(body: Body) -> None:
    """A definition used twice: on one value or on two, tied or not."""
    if not body.parts:
        anything(body)
        return
    chance = body.chance
    part = chance.choice(body.parts)
    tie = body.fresh_tie() if coin(chance) else ""
    found = []
    values = [body.like(type_) for type_ in part.inputs]
    for _ in range(2):
        if chance.random() < 0.3:
            values = [body.like(type_) for type_ in part.inputs]
        found.append(body.use(part, values, tie))
    body.gather([body.apply(found[0][0], act.Tanh()), found[1][-1]])


def wide(body: Body) -> None:
    """A depthwise convolution whose kernel has many columns, or gaps, or little room."""
    chance = body.chance
    maps = [name for name, type_ in body.types.items() if len(type_.shape) == 3]
    if not maps:
        return
    value = chance.choice(maps)
    if coin(chance):
        value = body.apply(value, chance.choice(SMOOTH))
    dilation = chance.choice((1, 2, 2, 3))
    stride = dilation if chance.random() < 0.4 else chance.choice((1, 1, 1, 2, 3))
    kernel = chance.choice((2, 3, 5)) if dilation > 1 else chance.choice((3, 4, 5, 5, 7))
    padding = None if kernel % 2 and chance.random() < 0.8 else chance.choice((1, 2, 3, 4))
    depthwise = DepthwiseConv(
        k=kernel,
        s=stride,
        d=dilation,
        p=padding,
        bias=coin(chance),
    )
    body.apply(value, depthwise)
