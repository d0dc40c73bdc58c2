"""ViT-B/16 against torchvision's, with torchvision's weights copied in."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import VisionTransformer

from archdsl.formats import LIBRARIES
from archdsl.formats.weights import assign
from archdsl.load import load_network
from tests.shipped import shipped


def pair(depth: int) -> tuple[nn.Module, nn.Module]:
    """torchvision's network and ours with the same weights, at full width."""
    torch.manual_seed(0)
    reference = VisionTransformer(224, 16, depth, 12, 768, 3072)
    nn.init.normal_(reference.heads.head.weight, std=0.02)  # it starts at zero, which hides all
    state = reference.state_dict()
    ours = load_network(shipped("vit_b_16", depth=depth).program)
    shapes = [
        {name: tuple(t.shape) for name, t in each.items()} for each in (state, ours.state_dict())
    ]
    sources = assign(LIBRARIES["torchvision"].spaces["vit_b_16"], *shapes, "state")
    assert all(shapes[0][theirs] == shapes[1][name] for name, theirs in sources.items())
    ours.load_state_dict({name: state[theirs] for name, theirs in sources.items()})
    return reference, ours


@pytest.mark.parametrize("training", [False, True])
def test_outputs(training: bool) -> None:
    reference, ours = (net.train(training) for net in pair(12))
    image = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(ours(image), reference(image), rtol=0, atol=1e-5)


def test_input_gradients() -> None:
    def gradient(net: nn.Module, image: Tensor) -> Tensor:
        leaf = image.clone().requires_grad_()
        output = net.double()(leaf)
        (output * torch.linspace(-1, 2, 1000, dtype=torch.float64)).sum().backward()
        assert leaf.grad is not None
        return leaf.grad

    reference, ours = pair(2)
    image = torch.randn(1, 3, 224, 224, dtype=torch.float64)
    expected = gradient(reference, image)
    difference = (gradient(ours, image) - expected).abs().max()
    assert difference <= 1e-12 * expected.abs().max()
