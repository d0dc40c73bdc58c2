"""Every operation: what it says of itself against what its PyTorch code does."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import black
import pytest
import torch
from torch import Tensor, nn

from archdsl.ir.types import TensorType
from archdsl.ops import OPERATIONS, Operation, OperationError, lookup
from archdsl.ops.activation import (
    ELU,
    GELU,
    HardSigmoid,
    HardSwish,
    LeakyReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Tanh,
)
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
from archdsl.ops.tokens import GLU as GLUnit
from archdsl.ops.tokens import ClassToken, Positions, Token, Tokens, ToTokens
from tests.operation_module import build, forms, import_file, module_source, values
from tests.torch_counts import torch_macs

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Case:
    """One application of an operation."""

    operation: Operation
    shapes: tuple[tuple[int, ...], ...]
    below: int | None = None
    """The bound of indices; None for quantities."""

    @property
    def inputs(self) -> tuple[TensorType, ...]:
        return tuple(TensorType(shape, self.below) for shape in self.shapes)

    def __str__(self) -> str:
        arguments = str(self.operation).partition("(")[2][:-1].replace(" ", "").replace("'", "")
        shapes = "+".join("x".join(map(str, shape)) for shape in self.shapes)
        return f"{self.operation.keyword}({arguments})@{shapes}"


VECTOR, TOKENS, MAP, WIDE = (8,), (5, 8), (8, 6, 6), (8, 5, 7)


def on(*shapes: tuple[int, ...], of: tuple[Operation, ...]) -> list[Case]:
    return [Case(operation, (shape,)) for operation in of for shape in shapes]


CASES = [
    *(Case(join, (shape,) * n) for join in (Sum(), Mean(), Concat(), Product())
      for n in (1, 2, 3) for shape in (VECTOR, TOKENS, MAP)),
    Case(Concat(), (MAP, (3, 6, 6))),
    Case(Concat(), (TOKENS, (5, 3))),
    Case(Product(), (MAP, (8, 1, 1))),
    Case(Product(), ((1, 6, 6), (8, 1, 6))),
    *on(VECTOR, TOKENS, MAP, of=(Identity(), Zero(), Scale(), Scale(initial=0.1), Gate(),
                                 Gate(initial=0.5), MLP(),
                                 MLP(ratio=0.5), MLP(ratio=3.3),
                                 ReLU(), GELU(), SiLU(), Sigmoid(), Tanh(), ReLU6(),
                                 HardSwish(), HardSigmoid(), ELU(), ELU(alpha=0.5),
                                 LeakyReLU(), LeakyReLU(slope=0.2), Flatten(),
                                 Channels(), Channels(first=2), Channels(last=4),
                                 Channels(first=1, last=6, step=2), Channels(first=1, step=3),
                                 Channels(first=7), Dropout(), Dropout(p=0.0),
                                 DropPath(p=0.2), DropPath(p=0.0))),
    *on(MAP, WIDE, of=(
        Conv(channels=4),
        Conv(channels=8),
        Conv(channels=8, k=3, bias=False),
        Conv(channels=6, k=3, s=2, groups=2),
        Conv(channels=8, k=3, d=2, groups=8, bias=False),
        Conv(channels=16, k=3, groups=8),
        Conv(channels=4, k=1, s=2, bias=False),
        Conv(channels=4, k=1, p=1),
        Conv(channels=4, k=4, s=2, p=1),
        Conv(channels=4, k=2, s=2, p=0, bias=False),
        DepthwiseConv(),
        DepthwiseConv(k=5, s=2, bias=False),
        DepthwiseConv(k=3, d=2),
        DepthwiseConv(k=2, p=0),
        Conv(channels=4, k=1, kw=5, bias=False),
        Conv(channels=4, k=3, kw=1, s=1, sw=2, d=2),
        Conv(channels=4, k=4, kw=3, p=1),
        Conv(channels=4, k=2, kw=3, p=0, pw=1, groups=2),
        DepthwiseConv(k=1, kw=3, sw=2),
        DepthwiseConv(k=3, kw=2, s=2, sw=1, pw=0, bias=False),
        Crop(),
        Crop(top=1, left=1),
        Crop(bottom=2),
        Crop(right=1, top=3),
        Crop(left=2),
        Shuffle(),
        Shuffle(groups=1),
        Shuffle(groups=4),
        Shuffle(groups=8),
        AdaptivePool(size=1),
        AdaptivePool(size=4),
        AdaptivePool(size=6),
        AdaptivePool(size=7),
        AvgPool(k=3, s=2, p=1, ceil=True),
        AvgPool(k=2, s=3, p=1, ceil=True, count_pad=True),
        MaxPool(k=2, s=2, p=0, ceil=True),
        MaxPool(k=3, s=2, p=0, ceil=True),
        MaxPool(k=2, s=3, p=1, ceil=True),
        Pool(),
        AvgPool(k=3),
        AvgPool(k=1),
        AvgPool(k=3, s=2, count_pad=True),
        AvgPool(k=2, s=2, p=0),
        AvgPool(k=3, s=1, p=0),
        AvgPool(k=5, s=2, p=1),
        MaxPool(k=3),
        MaxPool(k=1),
        MaxPool(k=3, s=2),
        MaxPool(k=2, s=2, p=0),
        GroupNorm(),
        GroupNorm(groups=4, eps=1e-3),
        GroupNorm(groups=8),
        Attention(),
        Attention(heads=2),
        Attention(pos="learned"),
        Attention(heads=1, pos="learned"),
        Resize(height=9),
        Resize(height=3, width=4),
        Resize(height=12, mode="nearest"),
        TokensMLP(),
        TokensMLP(ratio=2.0),
        TokensLinear(),
        TokensLinear(bias=True),
    )),
    *on(MAP, (16, 2, 2), of=(Attention(pos="sincos"), Attention(heads=1, pos="sincos"))),
    *on((8, 1, 1), of=(Flatten(), AdaptivePool(size=1))),
    *on(MAP, TOKENS, of=(GlobalPool(),)),
    *on(MAP, WIDE, of=(ToTokens(),)),
    *on(TOKENS, of=(
        SelfAttention(heads=2),
        SelfAttention(heads=3, head=4, bias=False),
        SelfAttention(heads=2, causal=True),
        SelfAttention(heads=2, pos="relative"),
        SelfAttention(heads=3, head=4, bias=False, pos="relative", reach=1),
        Token(),
        Token(index=3),
        Tokens(first=1),
        Tokens(first=0, last=5),
        Tokens(first=0, last=2),
        ClassToken(),
        Positions(),
        TokenConv(channels=8),
        TokenConv(channels=6, k=1),
        TokenConv(channels=8, k=5, bias=False, groups=4),
        TokenConv(channels=6, k=4, causal=True),
        TokenDepthwiseConv(),
        TokenDepthwiseConv(k=1),
        TokenDepthwiseConv(k=5, bias=False),
        TokenDepthwiseConv(k=3, causal=True),
        LightConv(k=3),
        LightConv(k=5, share=4),
        LightConv(k=3, share=2, causal=True),
    )),
    *(Case(cross, (TOKENS, memory)) for memory in (TOKENS, (7, 6)) for cross in (
        CrossAttention(heads=2), CrossAttention(heads=3, head=2, bias=False))),
    *on((10, 6), of=(SelfAttention(heads=1, pos="relative"),)),
    *on(VECTOR, TOKENS, MAP, of=(GLUnit(),)),
    *on(VECTOR, TOKENS, MAP, of=(BatchNorm(), BatchNorm(affine=False),
                                 BatchNorm(eps=1e-3, momentum=0.2))),
    *on(VECTOR, TOKENS, of=(LayerNorm(), LayerNorm(eps=1e-6), Linear(features=3),
                            Linear(features=8, bias=False), Embedding(dim=8, rows=9))),
    Case(Embedding(dim=4), ((5,),), below=7),
    *on(MAP, of=(Conv(channels=4, weight_bits=3, bias=False), Conv(channels=4, k=3, input_bits=4),
                 DepthwiseConv(weight_bits=2, input_bits=1))),
    *on(VECTOR, TOKENS, of=(Linear(features=3, weight_bits=4),
                            Linear(features=8, weight_bits=4, input_bits=8, bias=False))),
    *(Case(Lerp(), (shape,) * 3) for shape in (VECTOR, TOKENS, MAP)),
    *on(VECTOR, TOKENS, MAP, of=(Bias(),)),
    *on(TOKENS, of=(LockedDropout(), LockedDropout(p=0.0))),
    Case(Embedding(dim=4, rows=9), ((5,),), below=7),
]  # fmt: skip

case = pytest.mark.parametrize("case", CASES, ids=str)
quantities = pytest.mark.parametrize("case", [c for c in CASES if c.below is None], ids=str)


def test_every_operation_has_cases() -> None:
    assert {type(c.operation) for c in CASES} == set(OPERATIONS)
    assert len({operation.keyword for operation in OPERATIONS}) == len(OPERATIONS)


@case
def test_shape_weights_and_macs_are_those_of_the_module(case: Case, tmp_path: Path) -> None:
    operation, inputs = case.operation, case.inputs
    for stored in forms(operation, inputs):
        net = build(operation, inputs, tmp_path, stored=stored)
        x = values(inputs, 0, batch=1)
        with torch.no_grad():
            output = net(*x)
        result = operation.infer(inputs)
        assert isinstance(result, TensorType)
        assert output.shape == (1, *result.shape)
        assert torch_macs(net, *x) == operation.macs(inputs)
    weights = operation.weights(inputs)
    state = {name.removeprefix("op."): tuple(t.shape) for name, t in net.state_dict().items()}
    assert [(w.name, w.shape) for w in weights] == list(state.items())
    parameters = sum(p.numel() for p in net.parameters())
    assert sum(w.elements for w in weights if not w.buffer) == parameters


@case
def test_both_forms_compute_the_same(case: Case, tmp_path: Path) -> None:
    if len(forms(case.operation, case.inputs)) == 1:
        return
    expression = build(case.operation, case.inputs, tmp_path)
    module = build(case.operation, case.inputs, tmp_path, stored=True)
    x = values(case.inputs, 1)
    assert torch.equal(expression(*x), module(*x))


def close(a: Tensor, b: Tensor) -> bool:
    return bool((a - b).abs().max() <= 1e-12 * max(1.0, b.detach().abs().max().item()))


def is_affine(net: nn.Module, case: Case) -> bool:
    x, y = values(case.inputs, 2), values(case.inputs, 3)
    mixed = net(*(1.7 * a - 0.7 * b for a, b in zip(x, y, strict=True)))
    return close(mixed, 1.7 * net(*x) - 0.7 * net(*y))


def is_zero(net: nn.Module, case: Case) -> bool:
    return not net(*(torch.zeros_like(x) for x in values(case.inputs, 2))).any()


def changed(net: nn.Module, case: Case, axis: int, index: int) -> Tensor:
    """Where the output changes when one slice of all inputs does; axis 0 is the batch."""
    x = values(case.inputs, 4)
    other = tuple(value.clone() for value in x)
    for value in other:
        value.select(axis, min(index, value.shape[axis] - 1)).add_(1.25)
    difference: Tensor = net(*x) - net(*other)
    return difference.abs() > 1e-12


def is_per_channel(net: nn.Module, case: Case) -> bool:
    """Whether as many channels go out as in, and each changes with its own alone."""
    channels = {value.channels for value in case.inputs}
    result = case.operation.infer(case.inputs)
    assert isinstance(result, TensorType)
    if channels != {result.channels}:
        return False
    source = 2 if len(case.shapes[0]) == 2 else 1
    target = 2 if len(result.shape) == 2 else 1
    return all(
        not changed(net, case, source, i).index_select(target, others(i, result.channels)).any()
        for i in range(result.channels)
    )


def others(index: int, size: int) -> Tensor:
    return torch.tensor([i for i in range(size) if i != index], dtype=torch.long)


def is_per_position(net: nn.Module, case: Case) -> bool:
    result = case.operation.infer(case.inputs)
    assert isinstance(result, TensorType)
    axes = {1: (), 2: (1,), 3: (2, 3)}[len(case.shapes[0])]
    if any(len(result.shape) != len(shape) for shape in case.shapes):
        return False
    for axis in axes:
        sizes = {shape[axis - 1] for shape in (*case.shapes, result.shape)}
        if len(sizes) > 1:
            return False
        (size,) = sizes
        for i in range(size):
            if changed(net, case, axis, i).index_select(axis, others(i, size)).any():
                return False
    return True


def mixes_batch(net: nn.Module, case: Case) -> bool:
    """Whether in training one image changes what another becomes."""
    net.train()
    x = values(case.inputs, 5, batch=4)
    other = tuple(torch.cat((value[:3], value[3:] + 1.0)) for value in x)
    torch.manual_seed(0)
    first = net(*x)[:3]
    torch.manual_seed(0)
    mixed = not torch.equal(first, net(*other)[:3])
    net.eval()
    return mixed


@quantities
def test_traits_are_true_and_complete(case: Case, tmp_path: Path) -> None:
    """Both ways: what is claimed holds, and what is not claimed fails."""
    traits = case.operation.traits(case.inputs)
    net = build(case.operation, case.inputs, tmp_path)
    with torch.no_grad():
        affine, zero = is_affine(net, case), is_zero(net, case)
        assert traits.zero == zero
        assert traits.batch_statistics == mixes_batch(net, case)
        if traits.random:
            assert not (traits.affine or traits.linear or traits.per_channel or traits.per_position)
            return
        assert traits.per_channel == is_per_channel(net, case)
        if traits.batch_statistics:  # affine and position by position in evaluation only
            assert not (traits.affine or traits.linear or traits.per_position)
            return
        assert traits.affine == affine
        assert traits.linear == (affine and zero)
        assert traits.per_position == is_per_position(net, case)


@case
def test_chance_is_what_the_traits_say(case: Case, tmp_path: Path) -> None:
    """Random in training exactly where it is said and not `still`; never in evaluation."""
    random = case.operation.traits(case.inputs).random
    for operation in (case.operation, case.operation.still()):
        net = build(operation, case.inputs, tmp_path)
        x = values(case.inputs, 8, batch=16)
        assert torch.equal(net(*x), net(*x))
        net.train()
        torch.manual_seed(0)
        varies = not torch.equal(net(*x), net(*x))
        drops = random and operation is case.operation and getattr(operation, "p", 1) != 0
        assert varies == drops
    assert case.operation.still().traits(case.inputs).random == random


def test_noise_keeps_the_mean_and_drops_its_share(tmp_path: Path) -> None:
    shape = TensorType((50, 4, 4))
    x = torch.ones(400, 50, 4, 4, dtype=torch.float64)
    torch.manual_seed(0)
    for operation, of in ((Dropout(p=0.2), ()), (DropPath(p=0.2), (1, 2, 3))):
        y = build(operation, (shape,), tmp_path).train()(x)
        assert set(y.unique().tolist()) == {0.0, 1 / (1 - 0.2)}
        assert float((y == 0).double().mean()) == pytest.approx(0.2, abs=0.05)
        if of:  # the whole of one input, or nothing of it
            assert torch.equal(y.amax(of), y.amin(of))


def test_smooth_relatives_have_no_kinks(tmp_path: Path) -> None:
    """Every operation with a kink on its way has a relative that keeps the shape."""
    for item in CASES:
        smooth = item.operation.smooth()
        assert smooth.infer(item.inputs) == item.operation.infer(item.inputs)
        assert smooth.smooth() == smooth


@pytest.mark.parametrize("case", [c for c in CASES if c.operation.weights(c.inputs)], ids=str)
def test_gradients_reach_every_parameter(case: Case, tmp_path: Path) -> None:
    net = build(case.operation, case.inputs, tmp_path)
    given = values(case.inputs, 6)
    x = tuple(value.requires_grad_(value.is_floating_point()) for value in given)
    output = net(*x)
    (output * torch.linspace(-1, 2, output.numel()).view_as(output)).sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name


def test_parameters_of_learned_positions() -> None:
    """3 C C for queries, keys, values and 2 S C / heads for rows and columns."""
    weights = Attention(pos="learned").weights((TensorType((64, 16, 16)),))
    assert sum(w.elements for w in weights) == 3 * 64 * 64 + 2 * 16 * 64 // 4


def test_learned_positions_start_small(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    inputs = (TensorType((256, 16, 16)),)
    path.write_text(module_source(Attention(pos="learned"), inputs, stored=False))
    torch.manual_seed(0)
    rows = import_file(path).Net().op.rows.detach()
    assert rows.shape == (16, 64)
    assert float(rows.std()) == pytest.approx(64**-0.5, rel=0.1)


def test_attention_is_the_textbook_formula(tmp_path: Path) -> None:
    inputs = (TensorType((8, 2, 3)),)
    (x,) = values(inputs, 7)
    for pos in ("none", "learned"):
        net = build(Attention(heads=2, pos=pos), inputs, tmp_path)
        state = {name.removeprefix("op."): value for name, value in net.state_dict().items()}
        q, k, v = (x.flatten(2).mT @ state["qkv.weight"].T).split(8, dim=2)
        heads = []
        for part in (slice(0, 4), slice(4, 8)):
            logits = q[:, :, part] @ k[:, :, part].mT
            if pos == "learned":
                table = torch.stack(
                    [state["rows"][i] + state["columns"][j] for i in range(2) for j in range(3)]
                )
                logits = logits + q[:, :, part] @ table.T
            heads.append((logits / 2).softmax(-1) @ v[:, :, part])
        expected = torch.cat(heads, 2).mT.reshape(x.shape)
        assert close(net(x), expected)


def test_pool_is_that_of_poolformer(tmp_path: Path) -> None:
    net = build(Pool(), (TensorType((1, 3, 3)),), tmp_path)
    x = torch.arange(9.0, dtype=torch.float64).view(1, 1, 3, 3)
    # The corner's neighbourhood within the map is 0, 1, 3, 4.
    assert float(net(x)[0, 0, 0, 0]) == 2.0


def test_roles_let_classes_vary_in_width_and_size() -> None:
    def roles(operation: Operation, *shape: int) -> list[str]:
        return [argument.role for argument in operation.code((TensorType(shape),)).arguments]

    assert roles(Attention(pos="sincos"), 64, 16, 16) == ["dim", "size"]
    assert roles(TokensMLP(), 64, 16, 16) == ["positions"]
    assert roles(GroupNorm(), 64, 16, 16) == ["groups", "dim"]
    assert roles(Conv(channels=64, k=3), 64, 16, 16) == ["dim", "dim", "kernel", "padding"]
    assert roles(Conv(channels=32), 64, 16, 16) == ["in_channels", "out_channels", "kernel"]
    assert roles(Linear(features=10), 64) == ["in_features", "out_features"]


REFUSED = [
    (Sum(), (MAP, WIDE), "equal shapes"),
    (Mean(), (), "at least one input"),
    (Concat(), (MAP, WIDE), "but for the channels"),
    (Concat(), (MAP, VECTOR), "but for the channels"),
    (Product(), (MAP, TOKENS), "equal axes"),
    (Identity(), (MAP, MAP), "one input"),
    (Conv(channels=4), (TOKENS,), "a map"),
    (Conv(channels=4, k=2), (MAP,), "an odd kernel"),
    (Conv(channels=4, k=9, p=0), (MAP,), "at least 9 x 9"),
    (Conv(channels=9, groups=3), (MAP,), "a divisor of 8"),
    (DepthwiseConv(k=4), (MAP,), "an odd kernel"),
    (Linear(features=4), (MAP,), "a vector"),
    (SelfAttention(heads=2), (MAP,), "tokens"),
    (SelfAttention(heads=3), (TOKENS,), "a divisor of 8"),
    (SelfAttention(heads=2, pos="relative"), ((6, 8),), "1 more than a square"),
    (ToTokens(), (TOKENS,), "a map"),
    (Token(index=5), (TOKENS,), "at most 4"),
    (Tokens(first=1, last=6), (TOKENS,), "at most 5"),
    (ClassToken(), (MAP,), "tokens"),
    (Positions(), (MAP,), "tokens"),
    (TokenConv(channels=4), (MAP,), "tokens"),
    (TokenConv(channels=6, groups=3), (TOKENS,), "a divisor of 8"),
    (TokenDepthwiseConv(), (VECTOR,), "tokens"),
    (LightConv(share=3), (TOKENS,), "a divisor of 8"),
    (CrossAttention(heads=3), (TOKENS, TOKENS), "a divisor of 8"),
    (CrossAttention(heads=2), (TOKENS, MAP), "tokens"),
    (GLUnit(), ((5, 7),), "an even number"),
    (GroupNorm(groups=3), (MAP,), "a divisor of 8"),
    (LayerNorm(), (MAP,), "tokens"),
    (Pool(), (VECTOR,), "a map"),
    (AvgPool(k=2), (MAP,), "an odd kernel"),
    (Conv(channels=4, k=3, kw=2), (MAP,), "an odd kernel"),
    (Conv(channels=4, k=1, kw=9, p=0), (MAP,), "at least 1 x 9"),
    (DepthwiseConv(k=3, kw=4), (MAP,), "an odd kernel"),
    (Crop(top=3, bottom=3), (MAP,), "one row"),
    (Crop(left=1), (TOKENS,), "a map"),
    (Channels(last=9), (MAP,), "at most 7"),
    (Channels(first=8), (VECTOR,), "at most 7"),
    (Shuffle(groups=3), (MAP,), "a divisor of 8"),
    (AdaptivePool(size=2), (TOKENS,), "a map"),
    (MaxPool(k=9, p=0), (MAP,), "at least 9 x 9"),
    (GlobalPool(), (VECTOR,), "tokens"),
    (Attention(heads=3), (MAP,), "a divisor of 8"),
    (Attention(pos="sincos"), (WIDE,), "equal height and width"),
    (Attention(heads=2, pos="sincos"), ((6, 4, 4),), "a multiple of 4"),
    (MLP(ratio=0.01), (MAP,), "at least 1 hidden unit"),
    (TokensMLP(ratio=0.01), (MAP,), "at least 1 hidden unit"),
    (TokensLinear(), (TOKENS,), "a map"),
]


@pytest.mark.parametrize(("operation", "shapes", "expected"), REFUSED)
def test_wrong_shapes_are_refused(
    operation: Operation, shapes: tuple[tuple[int, ...], ...], expected: str
) -> None:
    with pytest.raises(OperationError) as error:
        operation.infer(tuple(map(TensorType, shapes)))
    assert expected in error.value.expected
    assert error.value.found


def test_helpers_are_laid_out_as_generated_files_are() -> None:
    for operation in OPERATIONS:
        for helper in operation.helpers:
            assert black.format_str(helper.source, mode=black.Mode(line_length=100)) == (
                helper.source
            )
            assert f" {helper.name}(" in helper.source.splitlines()[0]


def test_operations_do_not_import_torch() -> None:
    program = "import sys, archdsl.ops, archdsl.ops.binding; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_lookup() -> None:
    for operation in OPERATIONS:
        assert lookup(operation.keyword) is operation
    assert lookup("no_such_operation") is None


EDGE = TokensMLP()
LINEAR_EDGE = TokensLinear(bias=True)

# Published counts of one backbone with different token mixers: parameters and MACs, at 224
# pixels and 102 classes (Zhang and Liu, "Efficient NAS Based on MetaFormer", and its code).
MIXERS = [
    ((Pool(),), 11_847_430, 291_654_656),
    ((EDGE,), 11_989_378, 301_599_744),
    ((Attention(pos="learned"),), 15_393_286, 369_855_488),
    ((Attention(pos="sincos"),), 15_386_374, None),
    ((EDGE,) * 4, 12_415_222, 331_435_008),
    ((Attention(pos="sincos"), *(EDGE,) * 6), 16_238_062, 419_580_928),
    ((Attention(pos="sincos"), *(LINEAR_EDGE,) * 6), 16_235_830, None),
    ((Attention(pos="sincos"), *(EDGE,) * 9), 16_663_906, 449_416_192),
    ((Attention(pos="sincos"), *(LINEAR_EDGE,) * 9), 16_660_558, None),
]


@pytest.mark.parametrize(("mixer", "parameters", "macs"), MIXERS)
def test_published_counts(mixer: tuple[Operation, ...], parameters: int, macs: int | None) -> None:
    block = (GroupNorm(), *mixer, Scale(), GroupNorm(), MLP(), Scale())
    layers: list[Operation] = [Conv(channels=32, k=3, bias=False), BatchNorm()]
    layers += [Conv(channels=64, k=14, s=14, p=0), *block * 2]
    for width, depth in ((128, 2), (320, 6), (512, 2)):
        layers += [Conv(channels=width, k=3, s=2), *block * depth]
    layers += [GroupNorm(), GlobalPool(), Linear(features=102)]
    value, counted, multiplied = TensorType((3, 224, 224)), 0, 0
    for operation in layers:
        counted += sum(w.elements for w in operation.weights((value,)) if not w.buffer)
        multiplied += operation.macs((value,))
        result = operation.infer((value,))
        assert isinstance(result, TensorType)
        value = result
    assert value == TensorType((102,))
    assert counted == parameters
    assert macs is None or multiplied == macs


@case
def test_memory_format_does_not_matter(case: Case, tmp_path: Path) -> None:
    """Maps stored channels last, as fast convolutions like them, give the same result."""
    if any(len(shape) != 3 for shape in case.shapes):
        return
    net = build(case.operation, case.inputs, tmp_path)
    x = values(case.inputs, 8)
    assert close(net(*(v.to(memory_format=torch.channels_last) for v in x)), net(*x))
