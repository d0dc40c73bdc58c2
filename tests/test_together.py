"""Many architectures of one supernet on one batch: the same results, and less to compute."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from archdsl.evaluate.together import together
from archdsl.ir.elaborate import elaborate
from archdsl.load import Supernet, load_supernet
from archdsl.syntax.parse import parse
from tests.verify_spaces import tiny

SPACES = ("nas_bench_201", "metaformer_nas", "ofa_mobilenet_v3", "darts_search", "autoformer_tiny")


def supernet_of(name: str) -> Supernet:
    torch.manual_seed(0)
    supernet = load_supernet(tiny(name))
    supernet.module.eval()
    return supernet


def batch(supernet: Supernet) -> Tensor:
    net = supernet.space.program.net
    return torch.randn(2, *net.nodes[net.inputs[0]].type.shape)


@pytest.mark.parametrize("name", SPACES)
def test_same_results(name: str) -> None:
    supernet = supernet_of(name)
    rng = random.Random(0)
    paths = [supernet.space.sample(rng) for _ in range(6)]
    images = batch(supernet)
    found = together(supernet, (images,), [*paths, paths[0].text])
    assert 0 < found.known < found.calls
    with torch.no_grad():
        for path, output in zip([*paths, paths[0]], found.outputs, strict=True):
            assert torch.equal(supernet(images, path), output)


TWO = """archdsl 1
space two {
  block stem(x) = x -> conv(8, k=3) -> bn -> relu
  net network(image: 3 x 8 x 8) =
    image -> stem -> stem -> {wide = conv(4, k=3) | narrow = conv(4)} -> global_pool -> linear(2)
}"""


class Convolutions(TorchDispatchMode):
    """The output channels of the convolutions that are really computed."""

    def __init__(self) -> None:
        super().__init__()
        self.channels: list[int] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if "conv" in func.__name__:
            self.channels.append(args[1].shape[0])
        return func(*args, **(kwargs or {}))


def test_what_comes_before_the_decision_is_computed_once() -> None:
    supernet = load_supernet(elaborate(parse(TWO, "two").spaces[0]))
    supernet.module.eval()
    both = [supernet.space.unrank(number) for number in range(2)]
    with Convolutions() as computed:
        together(supernet, (batch(supernet),), both)
    assert sorted(computed.channels) == [4, 4, 8, 8]


def test_only_in_evaluation_mode() -> None:
    supernet = supernet_of("nas_bench_201")
    supernet.module.train()
    with pytest.raises(ValueError, match="training mode"):
        together(supernet, (batch(supernet),), [supernet.space.sample(random.Random(0))])


def test_writing_in_place_is_refused() -> None:
    supernet = supernet_of("nas_bench_201")
    supernet.module.register_forward_pre_hook(lambda module, args: (args[0].mul_(2), *args[1:]))
    with pytest.raises(ValueError, match="in place: mul_"):
        together(supernet, (batch(supernet),), [supernet.space.sample(random.Random(0))])


def test_a_forward_that_was_set_stays() -> None:
    supernet = load_supernet(elaborate(parse(TWO, "two").spaces[0]))
    supernet.module.eval()
    part = next(supernet.module.children())
    calls = []
    forward = part.forward

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        return forward(*args, **kwargs)

    part.forward = counted
    together(supernet, (batch(supernet),), [supernet.space.unrank(0)])
    assert calls and part.forward is counted
