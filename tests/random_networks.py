"""Random small networks, as texts, in which every rewrite finds work and every operation occurs.

`network(seed)` writes one. Half of its statements are motifs: what a pass looks for, or something
so near to it that it must be left alone. The other half are operations drawn from `OPERATIONS`
with random arguments. Values are a few channels of a few pixels, so that running them is cheap.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from archdsl.ir.printer import print_operation
from archdsl.ir.types import TensorType
from archdsl.ops import Operation, OperationError
from archdsl.ops import activation as act
from archdsl.ops.attention import Attention
from archdsl.ops.bias import Bias
from archdsl.ops.constants import Identity, Zero
from archdsl.ops.convolution import Conv, DepthwiseConv
from archdsl.ops.dropout import Dropout, DropPath, LockedDropout
from archdsl.ops.embedding import Embedding
from archdsl.ops.gate import Gate
from archdsl.ops.joins import Concat, Lerp, Mean, Product, Sum
from archdsl.ops.linear import Linear
from archdsl.ops.mlp import MLP, TokensLinear, TokensMLP
from archdsl.ops.normalisation import BatchNorm, GroupNorm, LayerNorm, Scale
from archdsl.ops.pooling import AdaptivePool, AvgPool, GlobalPool, MaxPool, Pool
from archdsl.ops.rearrange import Channels, Crop, Flatten, Shuffle
from archdsl.ops.resize import Resize
from archdsl.ops.token_attention import CrossAttention, SelfAttention
from archdsl.ops.token_convolution import LightConv, TokenConv, TokenDepthwiseConv
from archdsl.ops.tokens import GLU, ClassToken, Positions, Token, Tokens, ToTokens

Chance = random.Random
Draw = Callable[[Chance, TensorType], Operation]

LARGEST = 640
"""Elements that a value may have for one input."""
WIDEST = 16

DRAWS: dict[type[Operation], Draw] = {
    Identity: lambda r, t: Identity(),
    Zero: lambda r, t: Zero(),
    Conv: lambda r, t: conv(r, t),
    DepthwiseConv: lambda r, t: DepthwiseConv(
        k=r.choice((1, 3, 5)), s=r.choice((1, 1, 2)), d=r.choice((1, 1, 2)), bias=coin(r)
    ),
    Linear: lambda r, t: Linear(features=width(r, t), bias=coin(r)),
    Embedding: lambda r, t: (
        Embedding(dim=4)
        if t.below is not None
        else Embedding(dim=t.channels, rows=r.choice((3, 5)))
    ),
    BatchNorm: lambda r, t: norm(r, t),
    GroupNorm: lambda r, t: GroupNorm(groups=r.choice((1, 2))),
    LayerNorm: lambda r, t: LayerNorm(),
    Scale: lambda r, t: Scale(initial=r.choice((1e-5, 0.5))),
    Bias: lambda r, t: Bias(),
    Gate: lambda r, t: Gate(initial=r.choice((0.0, 0.5))),
    act.ReLU: lambda r, t: act.ReLU(),
    act.GELU: lambda r, t: act.GELU(),
    act.SiLU: lambda r, t: act.SiLU(),
    act.Sigmoid: lambda r, t: act.Sigmoid(),
    act.Tanh: lambda r, t: act.Tanh(),
    act.ReLU6: lambda r, t: act.ReLU6(),
    act.HardSwish: lambda r, t: act.HardSwish(),
    act.HardSigmoid: lambda r, t: act.HardSigmoid(),
    act.ELU: lambda r, t: act.ELU(alpha=r.choice((1.0, 0.5))),
    act.LeakyReLU: lambda r, t: act.LeakyReLU(slope=r.choice((0.01, 0.2))),
    Dropout: lambda r, t: Dropout(p=r.choice((0.0, 0.2))),
    DropPath: lambda r, t: DropPath(p=0.2),
    LockedDropout: lambda r, t: LockedDropout(p=0.2),
    Pool: lambda r, t: Pool(),
    AvgPool: lambda r, t: AvgPool(
        k=r.choice((2, 3)), s=r.choice((1, 1, 2)), p=1, count_pad=coin(r), ceil=coin(r)
    ),
    MaxPool: lambda r, t: MaxPool(k=r.choice((1, 3)), s=r.choice((1, 1, 2)), ceil=coin(r)),
    GlobalPool: lambda r, t: GlobalPool(),
    AdaptivePool: lambda r, t: AdaptivePool(size=r.choice((1, 2, 4))),
    Crop: lambda r, t: Crop(top=r.randint(0, 1), left=r.randint(0, 1), right=r.randint(0, 1)),
    Channels: lambda r, t: channels(r, t),
    Shuffle: lambda r, t: Shuffle(groups=2),
    Flatten: lambda r, t: Flatten(),
    Resize: lambda r, t: Resize(height=r.choice((3, 4, 5)), mode=r.choice(("bilinear", "nearest"))),
    Attention: lambda r, t: Attention(
        heads=r.choice((1, 2)), pos=r.choice(("none", "sincos", "learned"))
    ),
    SelfAttention: lambda r, t: self_attention(r, t),
    MLP: lambda r, t: MLP(ratio=r.choice((1, 2))),
    TokensMLP: lambda r, t: TokensMLP(ratio=r.choice((0.25, 0.5))),
    TokensLinear: lambda r, t: TokensLinear(bias=coin(r)),
    ToTokens: lambda r, t: ToTokens(),
    Tokens: lambda r, t: Tokens(first=r.randint(0, 1), last=r.choice((None, 3))),
    Token: lambda r, t: Token(index=r.randint(0, 2)),
    ClassToken: lambda r, t: ClassToken(),
    Positions: lambda r, t: Positions(),
    TokenConv: lambda r, t: TokenConv(
        channels=width(r, t), k=r.choice((1, 3)), bias=coin(r), causal=coin(r)
    ),
    TokenDepthwiseConv: lambda r, t: TokenDepthwiseConv(bias=coin(r), causal=coin(r)),
    LightConv: lambda r, t: LightConv(share=r.choice((1, 2)), causal=coin(r)),
    GLU: lambda r, t: GLU(),
}
"""How to draw each operation of one value; those of several are written by motifs."""

JOINS: tuple[type[Operation], ...] = (Sum, Mean, Concat, Product, Lerp, CrossAttention)

SMOOTH: tuple[Operation, ...] = (act.ReLU(), act.Tanh(), act.GELU(), act.Sigmoid(), act.SiLU())


def coin(chance: Chance) -> bool:
    return chance.random() < 0.5


def width(chance: Chance, value: TensorType) -> int:
    return chance.choice((4, 4, 6, value.channels))


def conv(chance: Chance, value: TensorType) -> Conv:
    """A convolution: what keeps the size most often, every argument now and then."""
    common = Conv(channels=width(chance, value), k=chance.choice((1, 3)), bias=coin(chance))
    match chance.randrange(8):
        case 0:
            return replace(common, s=2)
        case 1:
            return replace(common, k=3, d=2)
        case 2:
            return replace(common, groups=2, channels=4)
        case 3:
            return replace(common, k=3, kw=1)
        case 4:
            return replace(common, k=2, p=1, bias=True)
        case _:
            return common


def norm(chance: Chance, value: TensorType) -> BatchNorm:
    affine = chance.random() < 0.7
    other = chance.random() < 0.3
    return BatchNorm(affine=affine, eps=0.01 if other else 1e-5, momentum=0.3 if other else 0.1)


def channels(chance: Chance, value: TensorType) -> Channels:
    half = max(value.channels // 2, 1)
    return chance.choice(
        (Channels(last=half), Channels(first=half), Channels(step=2), Channels(first=1))
    )


def self_attention(chance: Chance, value: TensorType) -> SelfAttention:
    heads = chance.choice((1, 2))
    if coin(chance):
        return SelfAttention(heads=heads, bias=coin(chance), causal=coin(chance))
    return SelfAttention(heads=heads, head=3, pos="relative", reach=2)


@dataclass(slots=True)
class Part:
    """A definition that can be used: its name, what it takes, what it gives."""

    name: str
    inputs: tuple[TensorType, ...]
    results: tuple[TensorType, ...]


@dataclass(slots=True)
class Body:
    """The statements of one definition under construction, and the type of every value."""

    chance: Chance
    lines: list[str] = field(default_factory=list)
    types: dict[str, TensorType] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    read: set[str] = field(default_factory=set)
    count: int = 0

    # ---- writing ---------------------------------------------------------------------------

    def name(self, type_: TensorType) -> str:
        self.count += 1
        made = f"v{self.count}"
        self.types[made] = type_
        return made

    def apply(self, value: str, operation: Operation, *others: str, tie: str = "") -> str:
        """One more value: an operation on one, or OperationError."""
        given = tuple(self.types[name] for name in (value, *others))
        (type_,) = operation.results(given)
        if type_.elements > LARGEST or type_.channels > 2 * WIDEST:
            raise OperationError("too large for a test")
        made = self.name(type_)
        spelled = print_operation(operation)
        if others:
            head, _, rest = spelled.partition("(")
            spelled = f"{head}({', '.join(others)}{', ' + rest if rest else ')'}"
        self.lines.append(f"{made} = {value} -> {spelled}{tie and '@' + tie}")
        self.read.update((value, *others))
        return made

    def join(self, operation: Operation, values: list[str]) -> str:
        (type_,) = operation.results(tuple(self.types[name] for name in values))
        if type_.elements > LARGEST or type_.channels > 2 * WIDEST:
            raise OperationError("too large for a test")
        made = self.name(type_)
        self.lines.append(f"{made} = {operation.keyword}({', '.join(values)})")
        self.read.update(values)
        return made

    def use(self, part: Part, values: list[str], tie: str = "") -> list[str]:
        """The results of a definition that is used."""
        self.read.update(values)
        call = f"{part.name}({', '.join(values)})"
        if len(values) == 1:
            call = f"{values[0]} -> {part.name}{tie and '@' + tie}"
        if len(part.results) == 1:
            made = self.name(part.results[0])
            self.lines.append(f"{made} = {call}")
            return [made]
        self.count += 1
        whole = f"u{self.count}"
        self.lines.append(f"{whole} = {call}")
        found = []
        for index, type_ in enumerate(part.results):
            found.append(f"{whole}[{index}]")
            self.types[found[-1]] = type_
        return found

    def fresh_tie(self) -> str:
        """A name for weights that several statements share."""
        self.count += 1
        return f"w{self.count}"

    def sinks(self) -> list[str]:
        """The values that nothing reads."""
        return [name for name in self.types if name not in self.read]

    # ---- choosing --------------------------------------------------------------------------

    def pick(self) -> str:
        """A value, the newer the likelier."""
        names = [name for name, type_ in self.types.items() if type_.below is None]
        if not names or self.chance.random() < 0.05:
            names = list(self.types)
        return names[-1 - int(len(names) * self.chance.random() ** 2)]

    def alike(self, type_: TensorType, count: int) -> list[str]:
        """Different values of one type; what is missing is made of what is there."""
        found = [name for name, given in self.types.items() if given == type_]
        self.chance.shuffle(found)
        found = found[:count]
        while len(found) < count:
            found.append(self.apply(self.chance.choice(found), self.chance.choice(SMOOTH)))
        return found

    def like(self, type_: TensorType) -> str:
        """A value of a type; OperationError where there is none."""
        found = [name for name, given in self.types.items() if given == type_]
        if not found:
            raise OperationError("nothing of this type")
        return self.chance.choice(found)

    def any_operation(self, type_: TensorType) -> Operation:
        """An operation that takes values of a type, every class alike."""
        while True:
            kind = self.chance.choice(tuple(DRAWS))
            try:
                operation = DRAWS[kind](self.chance, type_)
                operation.results((type_,))
            except OperationError:
                continue
            return operation

    def kept(self, type_: TensorType, draws: tuple[type[Operation], ...]) -> Operation | None:
        """One of some operations that fits a type, or None."""
        kinds = list(draws)
        self.chance.shuffle(kinds)
        for kind in kinds:
            for _ in range(3):
                try:
                    operation = DRAWS[kind](self.chance, type_)
                    operation.results((type_,))
                except OperationError:
                    continue
                return operation
        return None

    def gather(self, values: list[str]) -> list[str]:
        """Values brought together, or left for what follows."""
        operations: list[Operation] = [Product(), Product(), Sum(), Mean(), Concat()]
        if len(values) == 3:
            operations.append(Lerp())
        try:
            return [self.join(self.chance.choice(operations), values)]
        except OperationError:
            return values
