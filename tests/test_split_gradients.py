"""Depthwise convolutions with gradients in parts, against torch's own, wherever they are used."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradgradcheck

from archdsl.ir.types import TensorType
from archdsl.ops.convolution import Conv
from archdsl.ops.gradients import in_parts
from tests.operation_module import build

CHANNELS = 4
SHAPES = [
    # kernel, stride, padding, dilation
    (5, 1, 2, 1),
    (7, 2, 3, 1),
    (4, 3, 0, 1),
    (3, 1, 2, 2),
    (5, 1, 6, 3),
    (3, 2, 2, 2),
    (5, 2, 4, 2),
]


def both(tmp_path: Path, shape: tuple[int, int, int, int], size: int = 12) -> tuple[nn.Module, Any]:
    """A convolution of torch, and the same with gradients in parts on maps of any size."""
    k, s, p, d = shape
    conv = Conv(channels=CHANNELS, k=k, s=s, p=p, d=d, groups=CHANNELS)
    inputs = (TensorType((CHANNELS, size, size)),)
    parts = in_parts(conv, inputs)
    assert parts is not None
    torch.manual_seed(0)
    own: Any = build(parts, inputs, tmp_path).op
    own.least = 0
    plain = nn.Conv2d(CHANNELS, CHANNELS, k, s, p, d, CHANNELS)
    plain.load_state_dict(own.state_dict())
    return plain, own.float().train()


def gradients(module: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
    x = x.detach().requires_grad_()
    result = module(x)
    loss = (result * torch.arange(result.numel()).view_as(result).sin().to(result)).sum()
    return torch.autograd.grad(loss, (x, *module.parameters()))


def close(found: tuple[Tensor, ...], expected: tuple[Tensor, ...], allowed: float) -> bool:
    return all(
        (a - b).abs().max() <= allowed * b.abs().max() for a, b in zip(found, expected, strict=True)
    )


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        *product(SHAPES, [(12, 12), (9, 14), (11, 7)]),
        *product((shape for shape in SHAPES if shape[2]), [(3, 2), (1, 1)]),  # all but padding
    ],
)
def test_gradients_on_maps_of_any_size(
    shape: tuple[int, int, int, int], size: tuple[int, int], tmp_path: Path
) -> None:
    plain, own = both(tmp_path, shape)
    x = torch.randn(3, CHANNELS, *size, dtype=torch.float64)
    for each in (plain.double(), own.double()):
        each.train()
    assert torch.equal(plain(x), own(x))
    assert close(gradients(own, x), gradients(plain, x), 1e-13)


@pytest.mark.parametrize("shape", SHAPES)
def test_only_what_is_asked_for(shape: tuple[int, int, int, int], tmp_path: Path) -> None:
    plain, own = both(tmp_path, shape)
    x = torch.randn(3, CHANNELS, 12, 12, dtype=torch.float64, requires_grad=True)
    for chosen in ((True, False), (False, True)):
        found = []
        for module in (plain.double(), own.double().train()):
            asked = [a for a, take in zip((x, module.weight), chosen, strict=True) if take]
            x.requires_grad_(chosen[0])
            module.weight.requires_grad_(chosen[1])
            found.append(torch.autograd.grad(module(x).sin().sum(), asked))
        assert close(*found, 1e-12)


@pytest.mark.parametrize("shape", SHAPES[4:5])
def test_gradients_of_gradients(shape: tuple[int, int, int, int], tmp_path: Path) -> None:
    own = both(tmp_path, shape)[1].double().train()
    x = torch.randn(2, CHANNELS, 6, 6, dtype=torch.float64, requires_grad=True)
    assert gradgradcheck(own, (x,))


@pytest.mark.parametrize("shape", SHAPES[4:5])
def test_gradients_of_every_sample(shape: tuple[int, int, int, int], tmp_path: Path) -> None:
    plain, own = both(tmp_path, shape)
    x = torch.randn(3, CHANNELS, 12, 12)

    def of_each(module: nn.Module) -> tuple[Tensor, ...]:
        def loss(weights: dict[str, Tensor], one: Tensor) -> Tensor:
            called: Tensor = torch.func.functional_call(module, weights, (one[None],))
            return called.square().sum()

        weights = {name: weight.detach() for name, weight in module.named_parameters()}
        return tuple(torch.func.vmap(torch.func.grad(loss), (None, 0))(weights, x).values())

    assert close(of_each(own), of_each(plain), 1e-5)


@pytest.mark.parametrize("shape", SHAPES[4:5])
def test_short_numbers(shape: tuple[int, int, int, int], tmp_path: Path) -> None:
    plain, own = both(tmp_path, shape)
    x = torch.randn(2, CHANNELS, 12, 12)
    with torch.autocast("cpu", torch.bfloat16):
        found = gradients(own, x)
    assert all(gradient.dtype == torch.float32 for gradient in found)
    assert close(found, gradients(plain, x), 0.05)


@pytest.mark.parametrize("shape", SHAPES[4:5])
def test_compiled(shape: tuple[int, int, int, int], tmp_path: Path) -> None:
    plain, own = both(tmp_path, shape)
    x = torch.randn(2, CHANNELS, 12, 12)
    compiled = torch.compile(own, fullgraph=True, backend="aot_eager")
    assert close(gradients(compiled, x), gradients(plain, x), 1e-5)


def test_channels_last_stays(tmp_path: Path) -> None:
    own = both(tmp_path, SHAPES[3])[1].to(memory_format=torch.channels_last)
    x = torch.randn(2, CHANNELS, 12, 12).contiguous(memory_format=torch.channels_last)
    assert gradients(own, x)[0].is_contiguous(memory_format=torch.channels_last)


def test_small_maps_and_evaluation_are_left_to_torch(tmp_path: Path) -> None:
    own = both(tmp_path, SHAPES[0])[1]
    x = torch.randn(1, CHANNELS, 12, 12)

    def backward() -> str:
        return str(own(x).grad_fn.name())

    assert backward() == "DepthwiseInPartsBackward"
    own.eval()
    assert backward() == "ConvolutionBackward0"
    own.train().least = type(own).least
    assert backward() == "ConvolutionBackward0"


def test_nothing_writes_over_a_result_of_parts() -> None:
    """Under vmap it is a view, and torch refuses that."""
    parts = in_parts(Conv(channels=4, k=5, groups=4), (TensorType((4, 8, 8)),))
    assert parts is not None and not parts.traits((TensorType((4, 8, 8)),)).fresh
