"""Arguments of operations: what is taken, what is refused, and what the refusal says."""

import time

import pytest

from archdsl.ops import OPERATIONS, Operation, OperationError
from archdsl.ops.attention import Attention
from archdsl.ops.binding import bind, signature, takes
from archdsl.ops.constants import Identity
from archdsl.ops.convolution import Conv, DepthwiseConv
from archdsl.ops.linear import Linear
from archdsl.ops.mlp import MLP
from archdsl.ops.normalisation import BatchNorm, GroupNorm, Scale
from archdsl.ops.pooling import AvgPool, MaxPool

TAKEN: list[tuple[type[Operation], tuple[object, ...], dict[str, object], Operation]] = [
    (Conv, (64,), {}, Conv(channels=64)),
    (Conv, (64, 3, 2), {}, Conv(channels=64, k=3, s=2)),
    (Conv, (64,), {"k": 14, "s": 14, "p": 0}, Conv(channels=64, k=14, s=14, p=0)),
    (Conv, (), {"bias": False, "channels": 8}, Conv(channels=8, bias=False)),
    (Identity, (), {}, Identity()),
    (MLP, (4,), {}, MLP(ratio=4.0)),
    (Scale, (1e-5,), {}, Scale()),
    (Attention, (), {"pos": "sincos"}, Attention(pos="sincos")),
    (Linear, (10**9,), {}, Linear(features=10**9)),
]


@pytest.mark.parametrize(("cls", "positional", "keywords", "expected"), TAKEN)
def test_taken(
    cls: type[Operation],
    positional: tuple[object, ...],
    keywords: dict[str, object],
    expected: Operation,
) -> None:
    operation = bind(cls, positional, keywords)
    assert operation == expected
    for parameter in signature(cls):
        value = getattr(operation, parameter.name)
        assert value is None or type(value) is parameter.kind


REFUSED: list[tuple[type[Operation], tuple[object, ...], dict[str, object], str]] = [
    (Identity, (1,), {}, "at most 0"),
    (Conv, (), {}, "an integer"),
    (Conv, (8,), {"channels": 8}, "one channels"),
    (Conv, (8.0,), {}, "an integer"),
    (Conv, (True,), {}, "an integer"),
    (Conv, ("8",), {}, "an integer"),
    (Conv, (None,), {}, "an integer"),
    (Conv, (0,), {}, "at least 1"),
    (Conv, (-3,), {}, "at least 1"),
    (Conv, (8,), {"k": 0}, "at least 1"),
    (Conv, (8,), {"s": 0}, "at least 1"),
    (Conv, (8,), {"p": -1}, "at least 0"),
    (Conv, (8,), {"d": 0}, "at least 1"),
    (Conv, (8,), {"groups": 3}, "a divisor of 8"),
    (Conv, (8,), {"bias": 1}, "yes or no"),
    (Conv, (10**9 + 1,), {}, "at most 1,000,000,000"),
    (Conv, (10**400,), {}, "at most 1,000,000,000"),
    (DepthwiseConv, (0,), {}, "at least 1"),
    (MLP, (0,), {}, "more than 0"),
    (MLP, (-0.5,), {}, "more than 0"),
    (MLP, (True,), {}, "a number"),
    (MLP, (float("nan"),), {}, "at most 1,000,000,000"),
    (MLP, (float("inf"),), {}, "at most 1,000,000,000"),
    (MLP, (10**400,), {}, "a number"),
    (BatchNorm, (), {"eps": 0.0}, "more than 0"),
    (BatchNorm, (), {"momentum": 2}, "0 to 1"),
    (GroupNorm, (0,), {}, "at least 1"),
    (AvgPool, (), {}, "an integer"),
    (AvgPool, (3,), {"p": 2}, "at most 1"),
    (MaxPool, (3,), {"s": 0}, "at least 1"),
    (Attention, (0,), {}, "at least 1"),
    (Attention, (), {"pos": 3}, 'one of "none", "sincos", "learned"'),
    (Attention, (), {"head": 3}, "heads, pos"),
]


@pytest.mark.parametrize(("cls", "positional", "keywords", "expected"), REFUSED)
def test_refused(
    cls: type[Operation], positional: tuple[object, ...], keywords: dict[str, object], expected: str
) -> None:
    with pytest.raises(OperationError) as error:
        bind(cls, positional, keywords)
    assert expected in error.value.expected
    assert len(str(error.value) + error.value.found + error.value.hint) < 400


def test_near_misses() -> None:
    with pytest.raises(OperationError) as error:
        bind(Conv, (8,), {"group": 2})
    assert error.value.hint.startswith("did you mean groups?")
    assert takes(Conv) in error.value.hint
    with pytest.raises(OperationError) as error:
        bind(Attention, (), {"pos": "sincoss"})
    assert error.value.hint.startswith('did you mean "sincos"?')


def test_signatures() -> None:
    assert takes(Linear) == "linear(features, bias=yes, weight_bits, input_bits)"
    for operation in OPERATIONS:
        names = [parameter.name for parameter in signature(operation)]
        assert len(set(names)) == len(names)


def test_binding_is_fast() -> None:
    """It runs for every operation of every string; 20,000 take far below a second."""
    start = time.perf_counter()
    for _ in range(20_000):
        bind(Conv, (64,), {"k": 3, "bias": False})
    assert time.perf_counter() - start < 20  # 0.1 s on an idle machine
