"""What an operation is: one class that holds everything the compiler knows of it.

A subclass is a frozen dataclass whose fields are the arguments in the language, in the order
in which they may be given by position; their annotations (`int`, `float`, `bool`, `str`,
`Literal[...]`, each also `| None`) are checked when an architecture is read. From it the
compiler takes names, shapes, weights, costs, algebra and the PyTorch code.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, TypeAlias

from archdsl.ir.types import TensorType, Weight
from archdsl.ops.growth import ANYTHING, Along, Interval, Route, Start

Types = tuple[TensorType, ...]


class OperationError(Exception):
    """An operation cannot be applied; the elaborator adds the place.

    `found` and `expected` are for the reader ("3 axes", "an even kernel"), `hint` the remedy.
    """

    def __init__(self, message: str, found: str = "", expected: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.found = found
        self.expected = expected
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """The algebra of one applied operation, on which passes rely.

    linear: f(a x + b y) = a f(x) + b f(y). affine: linear but for a constant (a bias).
    zero: f(0) = 0. per_channel: output channel i depends on input channel i alone.
    per_position: no mixing of positions. batch_statistics: mixes the batch while training.
    random: draws numbers while training. jumps: a rounding error of an input may become a step of
    the result. fresh: the result is memory of its own, which the gradient of the operation does
    not need.
    """

    linear: bool = False
    affine: bool = False
    zero: bool = False
    per_channel: bool = False
    per_position: bool = False
    batch_statistics: bool = False
    random: bool = False
    jumps: bool = False
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a constructor in generated code.

    `role` is the name it gets when it becomes a parameter of the enclosing class ("dim",
    "size", "channels"); `keyword` is None where the argument is positional.
    """

    value: int | float | bool | str | tuple[int, ...] | None
    role: str
    keyword: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """How an applied operation is written in PyTorch.

    `constructor` and `arguments`: what `__init__` stores (`nn.Conv2d`, ...); empty for an
    operation without a module form. `expression`: the call in `forward` with `{0}`, `{1}` or
    `{all}` (comma separated) for its inputs and `{self}` for the stored module; where it is
    empty, `{self}({all})`. An operation without weights gives both: the expression for
    `forward`, the module for `nn.Sequential`. An expression with `{self}` uses the module in
    another way than calling it. `helpers`: keys of `HELPERS` it needs, before
    those that need them. `tight`: the expression needs no parentheses inside another. `note`: what
    a reader would ask about an expression of several results.
    """

    constructor: str = ""
    arguments: tuple[Argument, ...] = ()
    expression: str = ""
    helpers: tuple[str, ...] = ()
    tight: bool = True
    note: str = ""

    @property
    def repeats(self) -> bool:
        """Whether the expression has an input more than once, which must not be computed twice."""
        return max(Counter(re.findall(r"\{\d+\}", self.expression)).values(), default=0) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Helper:
    """A class or function of generated files, as source text.

    `imports` are modules besides `torch`, `nn`, `F` and `Tensor` that it uses ("math").
    """

    name: str
    source: str
    imports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Take:
    """A part of a tensor: for each axis the indices, as ranges one after another."""

    axes: tuple[tuple[range, ...], ...]


@dataclass(frozen=True, slots=True)
class Mix:
    """The last two axes, as one, under a learned square matrix: the weight of that name."""

    matrix: str


Slice: TypeAlias = tuple[Take | Mix, ...]
"""How a weight comes out of the one that all sizes share, step by step."""


def first(shape: Sequence[int]) -> Take:
    """The first so many of each axis."""
    return Take(tuple((range(size),) for size in shape))


@dataclass(frozen=True, slots=True, kw_only=True)
class Elastic:
    """One module for all sizes of an operation: its weights are shared, each size takes slices.

    `code` makes it at the largest size. `takes`: the arguments that may differ from call to
    call, each with the keyword by which `forward` is told; the size of the input it sees.
    `weights` are all that it owns.
    """

    code: Code
    takes: Mapping[str, str]
    weights: tuple[Weight, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelAffine:
    """What an operation does to each channel in evaluation, by the names of its weights.

    factor (x - mean) / sqrt(var + eps) + shift; what has no name is not there.
    """

    factor: str = ""
    shift: str = ""
    mean: str = ""
    var: str = ""
    eps: float = 0.0

    @property
    def shifts(self) -> bool:
        """Whether zero becomes anything else."""
        return bool(self.shift or self.mean)


class Axis(Enum):
    """What a linear map mixes: the channels of each position, or the positions of each channel."""

    CHANNELS = "channels"
    POSITIONS = "positions"


Rows: TypeAlias = Sequence[Mapping[int, float]]
"""A sparse matrix: for each output the inputs that it takes, and how much of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisMap:
    """A linear map along one axis, the same along all others, by the names of its weights.

    One of: `matrix`, a weight; `rows`, fixed numbers; `gate`, a number whose sigmoid multiplies
    all. Behind it `bias` is added, `times` as often.
    """

    matrix: str = ""
    rows: Callable[[], Rows] | None = None
    gate: str = ""
    bias: str = ""
    times: int = 1


@dataclass(frozen=True, slots=True)
class Layer:
    """The linear map at one end of an operation, by the names of its weights."""

    weight: str = "weight"
    bias: str = "bias"


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """Two linear maps in a row as one; `stride` is the first's, by which the kernels compose."""

    operation: Operation
    stride: tuple[int, int] = (1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(ABC):
    """One application of an operation, with its arguments."""

    keyword: ClassVar[str]
    """Its name in the language."""
    attribute: ClassVar[str]
    """The stem of the attribute that holds it in generated code: `conv`, `norm`."""
    helpers: ClassVar[tuple[Helper, ...]] = ()
    arity: ClassVar[int | None] = 1
    """How many inputs it takes; None for any number (joins)."""
    manner: ClassVar[str] = ""
    """How a pass has it computed, where nothing else tells it from what it was: `in place`."""
    channels_last: ClassVar[bool] = False
    """Whether maps are best given to it with the channels last in memory: convolutions."""
    batched: ClassVar[bool] = True
    """Whether its result has one value for each input of a batch: not so weights and gates."""
    takes_indices: ClassVar[bool] = False
    """Whether its inputs may be whole numbers that stand for something; `results` sees to it."""
    widths: ClassVar[tuple[str, ...]] = ()
    """The arguments that say how large it is along axes that grow, and nothing else."""
    unchanged: ClassVar[Interval | None] = None
    """The inputs that it passes on in evaluation as they are, where there are any."""
    additive: ClassVar[bool] = False
    """Whether it is the sum of its inputs."""

    @abstractmethod
    def infer(self, inputs: Types) -> TensorType | Types:
        """The type of the result (a tuple where there are several), or an OperationError."""

    def results(self, inputs: Types) -> Types:
        """The types of all results, or an OperationError: `infer`, where the inputs may be given.

        Indices (`35 of 10000`) are no quantities: only what says that it takes them may.
        """
        found = next((type_ for type_ in inputs if type_.below is not None), None)
        if found is not None and not self.takes_indices:
            raise OperationError(
                f"{self.keyword} cannot take indices",
                found=str(found),
                expected="quantities",
                hint="give every index a vector first: x -> embedding(64)",
            )
        result = self.infer(inputs)
        return (result,) if isinstance(result, TensorType) else result

    @abstractmethod
    def code(self, inputs: Types) -> Code:
        """The PyTorch form for inputs of these types."""

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        """Parameters and buffers under their `state_dict` names, as in `code`'s module."""
        return ()

    def macs(self, inputs: Types) -> int:
        """Multiply-accumulates for one input, as torch's flop counter / 2."""
        return 0

    def once(self, inputs: Types) -> int:
        """How many of those are done once for a whole batch: products of weights."""
        return 0

    def traits(self, inputs: Types) -> Traits:
        return Traits()

    def channel_affine(self, inputs: Types) -> ChannelAffine | None:
        """What it does in evaluation, where that is one factor and one shift for each channel."""
        return None

    def axis_map(self, axis: Axis, inputs: Types) -> AxisMap | None:
        """What it does in evaluation, where that is one linear map along the axis; or None."""
        return None

    def biased(self, inputs: Types) -> Operation | None:
        """The same with a bias, for a linear map whose `weight` has its outputs on the first axis.

        None for any other. A factor of an output channel can move into its `weight`, a shift
        into its `bias`.
        """
        return None

    def reads_whole(self, inputs: Types) -> bool:
        """Whether, being `biased`, each output reads all of its window: no padding, no groups.

        The second axis of `weight` is then the input channel, and a shift of it is a bias.
        """
        return False

    def followed_by(self, behind: Operation, inputs: Types) -> Composition | None:
        """This and an operation that `reads_whole` behind it, as one of the same kind; or None."""
        return None

    def reads(self, inputs: Types) -> Layer | None:
        """The linear map that takes the whole input before anything else does; or None."""
        known = self.reads_whole(inputs) and self.biased(inputs) is not None
        return Layer() if known else None

    def writes(self, inputs: Types) -> Layer | None:
        """The linear map whose result is the operation's; or None."""
        return Layer() if self.biased(inputs) is not None else None

    def elastic(self, inputs: Types, sizes: Sequence[Operation]) -> Elastic | None:
        """One module for several sizes, of which this is the largest; None where there is none.

        `inputs` are the largest, `sizes` the operation with all its arguments.
        """
        return None

    def slices(self, inputs: Types, shared: Sequence[Weight]) -> Mapping[str, Slice]:
        """How each weight of this size comes out of the shared ones: the first of each axis."""
        return {weight.name: (first(weight.shape),) for weight in self.weights(inputs)}

    def along(self, inputs: Types) -> Mapping[str, tuple[Along, ...]] | None:
        """What the axes of each weight run over, by its name; None: it cannot be widened."""
        return None

    def wider(self, inputs: Types, channels: int) -> Operation | None:
        """The same with so many channels in its result; None where its arguments say no width."""
        return None

    def with_units(self, inputs: Types, units: int) -> Operation | None:
        """The same with so many hidden units; None where it has none."""
        return None

    def settled(self, inputs: Types) -> Operation:
        """The same, with those sizes said that followed from the width of its inputs."""
        return self

    def even(self, inputs: Types) -> bool:
        """Whether channels that are all there equally often give the same: norms over channels."""
        return False

    def identity(self, inputs: Types) -> Mapping[str, Start] | None:
        """The weights with which it passes its input on in evaluation; None: none do."""
        return None

    def bounds(self, inputs: Sequence[Interval]) -> Interval:
        """Between which numbers a result lies, by those between which the inputs do."""
        return ANYTHING

    def routes(self, inputs: Types) -> Sequence[Route] | None:
        """Whence each channel comes, where channels are moved and nothing else; or None."""
        return None

    def still(self) -> Operation:
        """The same without chance, for operations whose traits say `random`.

        Verification runs it in place of this one: two networks can only be compared if they
        draw the same numbers or none.
        """
        return self

    def smooth(self) -> Operation:
        """A relative without kinks: where f has one, a rounding error may flip a gradient.

        Verification compares float32 gradients on it.
        """
        return self

    def describe(self) -> str:
        """A short name for pictures and diffs: `conv 3x3`, `max pool 3x3`."""
        return self.keyword.replace("_", " ")
